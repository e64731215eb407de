using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>Gradients that methods without a sense of size may meet: of any size, of low rank, zero, in either precision.</summary>
public class PolarInputTests
{
    private static readonly Dictionary<string, UpdateMethod> ByName = new()
    {
        ["muon"] = new Muon(),
        ["muon in bfloat16"] = new Muon { InBFloat16 = true },
        ["muon, exact"] = new Muon { NewtonSchulzSteps = null },
        ["sumo"] = new Sumo { Rank = 3, ResidualScale = 0 },
        ["dion"] = new Dion { Rank = 3 },
        ["orth-dion"] = new Dion { Rank = 3, Orthonormalizes = true },
        ["mofasgd"] = new MoFaSgd { Rank = 3 },
        ["gum"] = new Gum { Rank = 3, OutsideShare = 0.01 },
        ["gum outside"] = new Gum { Rank = 3, OutsideShare = 0.99 },
        ["sinkgd"] = new SinkGD(),
    };

    public static TheoryData<string, double> Sizes
    {
        get
        {
            var sizes = new TheoryData<string, double>();
            foreach (var name in ByName.Keys)
                foreach (var size in new[] { 1e-15, 1e-8, 1e20, 3e37 })
                    sizes.Add(name, size);
            return sizes;
        }
    }

    public static TheoryData<string> Names => [.. ByName.Keys];

    [Theory, MemberData(nameof(Sizes))]
    public void Steps_do_not_depend_on_the_size_of_gradients(string method, double size)
    {
        using var scope = NewDisposeScope();
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            var gradients = Enumerable.Range(1, 3).Select(t => Draw.WithSingularValues(8, 12, (ulong)t, 1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)).ToArray();

            var (usual, scaled) = (Steps(method, dtype, gradients), Steps(method, dtype, [.. gradients.Select(gradient => gradient * size)]));

            scaled.isfinite().all().ToBoolean().Should().BeTrue();
            scaled.norm().ToDouble().Should().BeApproximately(usual.norm().ToDouble(), 0.1 * usual.norm().ToDouble());
            (scaled * usual).sum().div(scaled.norm() * usual.norm()).ToDouble().Should().BeGreaterThan(0.95, $"in {dtype}");
        }
    }

    /// <summary>Squares of such gradients are zero in float32: a step may be missing then, and may not be larger, nor anything but a number.</summary>
    [Theory, MemberData(nameof(Names))]
    public void Steps_of_vanishing_gradients_are_no_larger_than_others(string method)
    {
        using var scope = NewDisposeScope();
        var gradients = Enumerable.Range(1, 3).Select(t => Draw.Normal(8, 12, (ulong)t)).ToArray();
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.BFloat16 })
            foreach (var size in new[] { 1e-30, 2e-38 })
            {
                var (usual, scaled) = (Steps(method, dtype, gradients), Steps(method, dtype, [.. gradients.Select(gradient => gradient * size)]));

                scaled.isfinite().all().ToBoolean().Should().BeTrue();
                scaled.norm().ToDouble().Should().BeLessThan(1.2 * usual.norm().ToDouble());
            }
    }

    [Theory, MemberData(nameof(Names))]
    public void Gradients_of_rank_1_move_along_themselves_and_zeros_not_at_all(string method)
    {
        using var scope = NewDisposeScope();
        var one = Draw.Normal(8, 1, 1).mm(Draw.Normal(1, 12, 2));

        var (first, withZeros) = (Steps(method, ScalarType.Float32, [one]), Steps(method, ScalarType.Float32, [one, zeros_like(one), zeros_like(one)]));

        first.isfinite().all().ToBoolean().Should().BeTrue();
        if (method == "gum outside")
            first.eq(0).all().ToBoolean().Should().BeTrue("nothing of it is outside");
        else if (method == "sinkgd")
            (first.sign() + one.sign()).abs().max().ToDouble().Should().Be(0);
        else
            first.mul(one).sum().div(first.norm() * one.norm()).ToDouble().Should()
                .BeLessThan(method == "muon in bfloat16" ? -0.5 : -0.99, "the rounding of bfloat16 has all ranks, and Newton-Schulz sees it");
        (withZeros - first).abs().max().ToDouble().Should().Be(0);
        Steps(method, ScalarType.Float32, [zeros_like(one)]).eq(0).all().ToBoolean().Should().BeTrue();
    }

    /// <summary>What the steps add to a weight of zeros, in float64.</summary>
    private static Tensor Steps(string method, ScalarType dtype, Tensor[] gradients)
    {
        using var weight = new Parameter(zeros(8, 12, dtype));
        using var optimizer = ByName[method].Attach([("layer.weight", weight)]).CreateOptimizer(0.1);
        foreach (var gradient in gradients)
        {
            weight.grad = gradient.to(dtype);
            optimizer.step();
        }

        return weight.detach().to(ScalarType.Float64, copy: true);
    }
}
