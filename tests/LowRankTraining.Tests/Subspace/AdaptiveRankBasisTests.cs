using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class AdaptiveRankBasisTests
{
    /// <summary>Twenty equal energies: 15 of them are the first to hold 72 %.</summary>
    [Theory]
    [InlineData(1, 15)]
    [InlineData(4, 16)]
    [InlineData(5, 15)]
    [InlineData(8, 16)]
    public void Rank_is_the_smallest_sufficient_one_rounded_up_to_a_multiple(int multiple, int expected)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(40, 60, 1, [.. Enumerable.Repeat(2.0, 20)]);

        var found = new AdaptiveRankBasis { Outside = 0.28, MinRank = 1, Multiple = multiple }.Find(BasesTests.Query(matrix, 32));

        found.shape.Should().Equal(40, expected);
        Draw.Departure(found).Should().BeLessThan(1e-10);
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.3)]
    [InlineData(0.6)]
    public void Basis_captures_the_share_that_is_asked_for(double outside)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(40, 60, 1, [.. Enumerable.Range(0, 40).Select(index => Math.Pow(0.9, index))]);

        var found = new AdaptiveRankBasis { Outside = outside, MinRank = 1, Multiple = 1, Block = 6 }.Find(BasesTests.Query(matrix, 40));

        var captured = found.t().mm(matrix).square().sum().ToDouble() / matrix.square().sum().ToDouble();
        captured.Should().BeGreaterThanOrEqualTo(1 - outside);
    }

    /// <summary>Spectra that fall slowly, as those of gradients of language models: noise, or a power of the index.</summary>
    [Theory]
    [InlineData("noise", 0.3), InlineData("power", 0.3), InlineData("power", 0.1), InlineData("steps", 0.3)]
    public void Slowly_falling_spectrum_gets_little_more_than_the_smallest_rank(string spectrum, double outside)
    {
        using var scope = NewDisposeScope();
        var matrix = spectrum switch
        {
            "noise" => Draw.Normal(128, 192, 1),
            "power" => Draw.WithSingularValues(128, 192, 1, [.. Enumerable.Range(1, 128).Select(index => 1 / Math.Pow(index, 0.4))]),
            _ => Draw.WithSingularValues(128, 192, 1, [.. Enumerable.Range(1, 128).Select(index => index < 40 ? 1.0 : 0.35)]),
        };
        var energies = linalg.svdvals(matrix).square();
        var needed = energies.cumsum(0).lt((1 - outside) * energies.sum()).sum().ToInt64() + 1;

        var found = new AdaptiveRankBasis { Outside = outside, MinRank = 1, Multiple = 1 }.Find(BasesTests.Query(matrix, 128));

        found.shape[1].Should().BeInRange(needed, (long)Math.Ceiling(1.15 * needed));
    }

    [Theory]
    [InlineData(16, 16)]
    [InlineData(14, 14)]
    [InlineData(12, 15)]
    [InlineData(20, 15)]
    public void Rank_in_use_stays_unless_it_is_off_by_more_than_an_eighth(int current, int expected)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(40, 60, 1, [.. Enumerable.Repeat(2.0, 20)]);

        var found = new AdaptiveRankBasis { Outside = 0.28, MinRank = 1, Multiple = 1 }.Find(BasesTests.Query(matrix, 32, Draw.Basis(40, current, 2)));

        found.shape[1].Should().Be(expected);
    }

    [Fact]
    public void Rank_is_never_above_the_limit()
    {
        using var scope = NewDisposeScope();

        var found = new AdaptiveRankBasis { Outside = 0.01 }.Find(BasesTests.Query(Draw.Normal(30, 50, 1), 6));

        found.shape[1].Should().Be(6);
    }

    [Fact]
    public void Smallest_rank_may_be_above_the_block()
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.WithSingularValues(80, 90, 1, 1);

        var found = new AdaptiveRankBasis { MinRank = 48, Block = 16 }.Find(BasesTests.Query(matrix, 64));

        found.shape[1].Should().Be(48);
        Draw.Departure(found).Should().BeLessThan(1e-10);
    }

    [Fact]
    public void State_shrinks_when_the_gradient_loses_rank()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(40, 60));
        using var optimizer = new AdaRankGrad
        {
            Rank = 32,
            Basis = new AdaptiveRankBasis { MinRank = 2 },
            Refresh = new EnergyRefresh { LookEvery = 1, AtLeast = 3, AtMost = 6 },
        }.Attach([("weight", weight)]).CreateOptimizer();

        for (ulong step = 1; step <= 7; step++)
            Step(optimizer, weight, Draw.Normal(40, 60, step));
        var (before, rank) = (optimizer.StateBytes, optimizer.StateOf(weight)["basis"].shape[1]);
        for (ulong step = 1; step <= 7; step++)
            Step(optimizer, weight, Draw.WithSingularValues(40, 60, 1, 3, 2).mul(1 + 0.01 * step));

        rank.Should().BeInRange(16, 32);
        before.Should().Be(4 * rank * (40 + 2 * 60));
        optimizer.StateBytes.Should().Be(4 * 8 * (40 + 2 * 60), "ranks are multiples of eight");
    }

    private static void Step(LowRankOptimizer optimizer, Parameter weight, Tensor gradient)
    {
        weight.grad = gradient.to(ScalarType.Float32);
        optimizer.step();
    }
}
