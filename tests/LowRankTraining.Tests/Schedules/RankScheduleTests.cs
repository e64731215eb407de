using FluentAssertions;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using Xunit;

namespace LowRankTraining.Tests.Schedules;

public class RankScheduleTests
{
    [Fact]
    public void Geometric_rank_halves_at_equal_intervals_down_to_its_minimum() =>
        RanksOf(new GeometricRank { Every = 10, Start = 5, MinRank = 3 }, 12, 0, 14, 15, 24, 25, 1000).Should().Equal(12, 12, 6, 6, 3, 3);

    [Fact]
    public void Geometric_rank_is_rounded_once_from_the_first_one() =>
        RanksOf(new GeometricRank { Every = 1, Factor = 0.7 }, 10, 0, 1, 2, 3, 4).Should().Equal(10, 7, 5, 3, 2);

    [Fact]
    public void Linear_rank_grows_and_is_looked_at_now_and_then() =>
        RanksOf(new LinearRank { From = 0.5, To = 1, Start = 10, End = 30, Every = 10 }, 8, 0, 10, 19, 20, 29, 30, 99).Should().Equal(4, 4, 4, 6, 6, 8, 8);

    [Fact]
    public void Linear_rank_falls() =>
        RanksOf(new LinearRank { To = 0.25, End = 4 }, 8, 0, 1, 2, 3, 4).Should().Equal(8, 7, 5, 4, 2);

    /// <summary>8 + 4 (1 − p)³ at p = 0, 0.1, 0.2, 0.3, 0.4: 12, 10.92, 10.05, 9.37, 8.86.</summary>
    [Fact]
    public void Annealed_rank_is_the_budget_of_AdaLoRA() =>
        RanksOf(new AnnealedRank { Start = 2, End = 12 }, 12, 0, 2, 3, 4, 5, 6, 12, 50).Should().Equal(12, 12, 11, 10, 9, 9, 8, 8);

    [Fact]
    public void Numbers_out_of_range_are_listed_by_the_options()
    {
        FailuresOf(new GeometricRank { Every = 0, Factor = 1.5, Start = -1, MinRank = 0 }).Should().HaveCount(4);
        FailuresOf(new LinearRank { From = 0, To = -1, Start = 5, End = 5, Every = 0 }).Should().HaveCount(4);
        FailuresOf(new AnnealedRank { To = 2, Start = -1, End = -1, Every = 0 }).Should().HaveCount(4);
    }

    [Fact]
    public void ReLoRA_takes_one_way_of_changing_the_rank() => FluentActions
        .Invoking(() => Checks.Require(new ReLoRA { RankDecay = 0.5, RankSchedule = new GeometricRank { Every = 10 } }))
        .Should().Throw<OptionsValidationException>().WithMessage("*both set*");

    private static IEnumerable<string> FailuresOf(IRankSchedule schedule) =>
        FluentActions.Invoking(() => Checks.Require(new LoRA { RankSchedule = schedule })).Should().Throw<OptionsValidationException>().Which.Failures;

    private static IEnumerable<long> RanksOf(IRankSchedule schedule, long rank, params long[] steps) => steps.Select(step => schedule.RankFor(rank, step));
}
