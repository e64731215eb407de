using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class TuckerRuleTests
{
    private static readonly AdamRule Adam = new() { Beta1 = 0.8, Beta2 = 0.9, Epsilon = 1e-6 };

    [Fact]
    public void Full_rank_equals_Adam_on_the_tensor()
    {
        using var scope = NewDisposeScope();
        using StateBag tucker = new(), plain = new();
        Tensor actual = zeros([6, 3, 4], ScalarType.Float64), expected = zeros([6, 3, 4], ScalarType.Float64);

        for (var step = 1; step <= 4; step++)
        {
            var gradient = Draw.Normal([6, 3, 4], (ulong)step);
            new TuckerRule { Rank = 6, Scale = 1, Inner = Adam, Refresh = new PeriodicRefresh { Every = 2 } }.AddUpdate(gradient, actual, -0.1, tucker,
                new StepContext { Step = step });
            Adam.AddUpdate(gradient, expected, -0.1, plain, new StepContext { Step = step });
        }

        Draw.Error(actual, expected).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Low_rank_step_is_that_of_the_higher_order_decomposition()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        Tensor actual = zeros([6, 5, 4], ScalarType.Float64), expected = zeros([6, 5, 4], ScalarType.Float64);
        Tensor mean = zeros([3, 3, 3], ScalarType.Float64), square = zeros([3, 3, 3], ScalarType.Float64);
        Tensor[] bases = [];

        for (var t = 1; t <= 3; t++)
        {
            var gradient = Draw.Normal([6, 5, 4], (ulong)t);
            new TuckerRule { Rank = 3, Scale = 0.5, Inner = Adam, Basis = new ExactSvdBasis() }.AddUpdate(gradient, actual, -0.1, state,
                new StepContext { Step = t });

            if (t == 1)
                bases = [Leading(gradient.reshape(6, 20)), Leading(gradient.permute(1, 0, 2).reshape(5, 24)),
                    Leading(gradient.permute(2, 0, 1).reshape(4, 30))];
            var core = einsum("abc,ai,bj,ck->ijk", gradient, bases[0], bases[1], bases[2]);
            mean = 0.8 * mean + 0.2 * core;
            square = 0.9 * square + 0.1 * core.pow(2);
            var direction = mean / (1 - Math.Pow(0.8, t)) / ((square / (1 - Math.Pow(0.9, t))).sqrt() + 1e-6);
            expected -= 0.05 * einsum("ijk,ai,bj,ck->abc", direction, bases[0], bases[1], bases[2]);

            Draw.Error(actual, expected).Should().BeLessThan(1e-9);
        }
    }

    [Fact]
    public void Dimension_that_is_longer_than_the_others_together_keeps_no_more_than_they_span()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new TuckerRule { Rank = 12, Refresh = new PeriodicRefresh { Every = 2 } };
        var weight = zeros([32, 1, 3, 3], ScalarType.Float64);

        for (var step = 1; step <= 4; step++)
            rule.AddUpdate(Draw.Normal([32, 1, 3, 3], (ulong)step), weight, -0.1, state, new StepContext { Step = step });

        state["basis_0"].shape.Should().Equal(32, 9);
        state.Bytes.Should().Be(2 * rule.BytesFor([32, 1, 3, 3]), "numbers are float64");
        weight.isfinite().all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void State_has_the_bytes_of_the_formula()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new TuckerRule { Rank = 4 };

        rule.AddUpdate(Draw.Normal([9, 6, 3, 3], 1).to(ScalarType.Float32), zeros(9, 6, 3, 3), -0.1, state, new StepContext { Step = 1 });

        var formula = 4 * (9 * 4 + 6 * 4 + 2 * 4 * 4 * 3 * 3);
        state.Bytes.Should().Be(formula);
        rule.BytesFor([9, 6, 3, 3]).Should().Be(formula);
    }

    [Fact]
    public void Subspaces_are_found_anew_when_it_is_time()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new TuckerRule { Rank = 3, Refresh = new PeriodicRefresh { Every = 2 } };
        List<double[]> bases = [];

        for (var step = 1; step <= 4; step++)
        {
            rule.AddUpdate(Draw.Normal([6, 5, 4], (ulong)step), zeros([6, 5, 4], ScalarType.Float64), -0.1, state, new StepContext { Step = step });
            bases.Add(state["basis_1"].data<double>().ToArray());
        }

        bases[1].Should().Equal(bases[0]);
        bases[2].Should().NotEqual(bases[1]);
        bases[3].Should().Equal(bases[2]);
    }

    [Fact]
    public void Convolution_learns_and_resumes_bit_by_bit()
    {
        using var scope = NewDisposeScope();
        var goal = Draw.Normal([8, 5, 3, 3], 99).to(ScalarType.Float32);
        using var weight = new Parameter(zeros(8, 5, 3, 3));
        using var optimizer = Make(weight);

        var first = Train(weight, optimizer, goal, 1);
        Train(weight, optimizer, goal, 6);
        using var resumedWeight = new Parameter(weight.detach().clone());
        using var resumed = Make(resumedWeight);
        using var saved = new MemoryStream();
        optimizer.save_state_dict(new BinaryWriter(saved));
        resumed.load_state_dict(new BinaryReader(new MemoryStream(saved.ToArray())));

        var last = Train(weight, optimizer, goal, 150);
        Train(resumedWeight, resumed, goal, 150);

        last.Should().BeLessThan(first / 4);
        optimizer.StateOf(weight)["exp_avg"].shape.Should().Equal(4, 4, 3, 3);
        resumedWeight.detach().allclose(weight.detach(), 0, 0).Should().BeTrue();
    }

    private static LowRankOptimizer Make(Parameter weight) =>
        new GaLore { Rank = 4, RefreshEvery = 5, Scale = 1, Tucker = true }.Attach([("conv.weight", weight)]).CreateOptimizer(lr: 0.05);

    /// <summary>Descends ‖W − goal‖²; returns the first loss of the stretch.</summary>
    private static double Train(Parameter weight, LowRankOptimizer optimizer, Tensor goal, int steps)
    {
        var loss = 0.0;
        for (var step = 0; step < steps; step++)
        {
            loss = (weight.detach() - goal).square().sum().ToDouble();
            weight.grad = (weight.detach() - goal) * 2;
            optimizer.step();
        }

        return loss;
    }

    private static Tensor Leading(Tensor unfolded) => linalg.svd(unfolded, fullMatrices: false).U.narrow(1, 0, 3);
}
