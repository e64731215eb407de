using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>Ranks above what a gradient spans.</summary>
public class RankLimitTests
{
    public static TheoryData<IBasis> Found =>
        [new WarmStartedBasis(), new RandomizedSvdBasis(), new ExactSvdBasis(), new GramBasis(), new AdaptiveRankBasis { Outside = 0.01 },
            new GrassmannBasis()];

    [Theory]
    [MemberData(nameof(Found))]
    public void Basis_of_the_long_side_has_no_more_columns_than_the_short_one(IBasis basis)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new SubspaceRule { Rank = 10, Side = ProjectionSide.Long, Basis = basis, RefreshEvery = 2, OnRefresh = MomentCarryOver.Rotate };
        var weight = zeros(6, 16, ScalarType.Float64);

        for (var step = 1; step <= 5; step++)
            rule.AddUpdate(Draw.Normal(6, 16, (ulong)step), weight, -0.1, state, new StepContext { Step = step });

        state["basis"].shape[0].Should().Be(16);
        state["basis"].shape[1].Should().BeLessThanOrEqualTo(6);
        weight.isfinite().all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Coordinates_of_the_long_side_may_be_more_than_the_short_one_has()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var rule = new SubspaceRule { Rank = 10, Side = ProjectionSide.Long, Basis = new CoordinateBasis() };

        rule.AddUpdate(Draw.Normal(6, 16, 1), zeros(6, 16, ScalarType.Float64), -0.1, state, new StepContext { Step = 1 });

        state["basis"].shape.Should().Equal(10);
    }
}
