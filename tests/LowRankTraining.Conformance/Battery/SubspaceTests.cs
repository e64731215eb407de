using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>What must hold of every basis.</summary>
public class SubspaceTests
{
    private static readonly Dictionary<string, IBasis> Bases = new()
    {
        ["exact SVD"] = new ExactSvdBasis(),
        ["randomized SVD"] = new RandomizedSvdBasis(),
        ["randomized SVD without power iteration"] = new RandomizedSvdBasis { PowerIterations = 0 },
        ["warm-started"] = new WarmStartedBasis(),
    };

    public static TheoryData<string, int, int> EveryBasis
    {
        get
        {
            var data = new TheoryData<string, int, int>();
            foreach (var name in Bases.Keys)
            {
                data.Add(name, 24, 40);
                data.Add(name, 40, 24);
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(EveryBasis))]
    public void Basis_stays_orthonormal_over_1000_refreshes(string basis, int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(rows, columns, device: TestDevice.Current));
        using var optimizer = Optimize(weight, Bases[basis], every: 1);
        var drift = Problems.Data(rows, columns, seed: 1);

        for (var step = 1; step <= 1000; step++)
        {
            using var inner = NewDisposeScope();
            weight.grad = drift.add_(Problems.Data(rows, columns, Problems.StepKey(step)), 0.3).mul_(0.95).clone();
            optimizer.step();
        }

        var found = optimizer.StateOf(weight)["basis"];
        optimizer.Refreshes.Should().Be(1000);
        (found.t().mm(found) - eye(found.shape[1], device: found.device)).abs().max().ToDouble().Should().BeLessThan(1e-5);
    }

    [Theory, MemberData(nameof(EveryBasis))]
    public void Basis_captures_nearly_the_energy_of_the_exact_one(string basis, int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(rows, columns, device: TestDevice.Current));
        using var optimizer = Optimize(weight, Bases[basis], every: 1);
        var gradient = Decaying(rows, columns);
        for (var step = 0; step < 2; step++)
        {
            weight.grad = gradient.clone();
            optimizer.step();
        }

        var found = optimizer.StateOf(weight)["basis"];
        var inside = (rows < columns ? found.t().mm(gradient) : gradient.mm(found)).square().sum().ToDouble();
        var best = linalg.svdvals(gradient).narrow(0, 0, found.shape[1]).square().sum().ToDouble();

        (inside / best).Should().BeInRange(0.99, 1 + 1e-5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    public void Subspace_is_found_anew_exactly_as_configured(int every)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(6, 10, device: TestDevice.Current));
        using var optimizer = Optimize(weight, new ExactSvdBasis(), every);

        var refreshed = new List<int>();
        for (var step = 1; step <= 22; step++)
        {
            var before = optimizer.Refreshes;
            weight.grad = Problems.Data(6, 10, Problems.StepKey(step));
            optimizer.step();
            if (optimizer.Refreshes > before)
                refreshed.Add(step);
        }

        refreshed.Should().Equal(Enumerable.Range(1, 22).Where(step => (step - 1) % every == 0));
    }

    [Fact]
    public void Staggered_refreshes_are_spread_over_the_period()
    {
        using var scope = NewDisposeScope();
        var weights = Enumerable.Range(0, 8).Select(index => ($"layer{index}", new Parameter(zeros(6, 10, device: TestDevice.Current)))).ToArray();
        using var optimizer = new GaLore { Rank = 2, RefreshEvery = 10, Staggered = true }.Attach(weights).CreateOptimizer();

        var perStep = new List<long>();
        for (var step = 1; step <= 31; step++)
        {
            var before = optimizer.Refreshes;
            foreach (var (_, weight) in weights)
                weight.grad = Problems.Data(6, 10, Problems.StepKey(step));
            optimizer.step();
            perStep.Add(optimizer.Refreshes - before);
        }

        perStep[0].Should().Be(8, "the first step finds every subspace");
        perStep.Skip(1).Should().OnlyContain(count => count <= 2);
        perStep.Skip(11).Take(10).Sum().Should().Be(8, "each matrix is refreshed once per period");
    }

    [Fact]
    public void Basis_vectors_have_a_positive_peak()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(12, 20, device: TestDevice.Current));
        using var optimizer = Optimize(weight, new RandomizedSvdBasis(), every: 1);
        weight.grad = Problems.Data(12, 20, seed: 9);

        optimizer.step();

        var basis = optimizer.StateOf(weight)["basis"];
        basis.max(0).values.allclose(basis.abs().max(0).values).Should().BeTrue();
    }

    private static LowRankOptimizer Optimize(Parameter weight, IBasis basis, int every) =>
        new GaLore { Rank = 4, RefreshEvery = every, Basis = basis }.Attach([("weight", weight)]).CreateOptimizer(lr: 1e-3);

    private static Tensor Decaying(int rows, int columns)
    {
        var (left, values, right) = linalg.svd(Problems.Data(rows, columns, seed: 2), fullMatrices: false);
        var decay = arange(values.shape[0], ScalarType.Float32, values.device).mul_(-0.3).exp_();
        return (left * decay).mm(right);
    }
}
