using FluentAssertions;
using LowRankTraining.Schedules;
using Xunit;

namespace LowRankTraining.Tests.Schedules;

public class JaggedCosineScheduleTests
{
    private static readonly JaggedCosineSchedule Schedule = new() { TotalSteps = 15_000, Warmup = 500, RestartEvery = 5_000, RestartWarmup = 100 };

    [Theory]
    [InlineData(0, 0)]
    [InlineData(250, 0.5)]
    [InlineData(500, 1)]
    [InlineData(4_999, 0.802615)]
    [InlineData(5_000, 0)]
    [InlineData(5_001, 0.007944)]
    [InlineData(5_050, 0.397203)]
    [InlineData(5_100, 0.794406)]
    [InlineData(9_999, 0.339302)]
    [InlineData(10_100, 0.330652)]
    [InlineData(14_999, 0.1)]
    [InlineData(15_000, 0)]
    public void Multiplier_follows_the_authors_schedule(long step, double expected) =>
        Schedule.Multiplier(step).Should().BeApproximately(expected, 1e-6);

    [Fact]
    public void Ramp_meets_the_cosine_without_a_jump() =>
        Schedule.Multiplier(5_100).Should().BeApproximately(Schedule.Multiplier(5_101), 1e-4);

    [Fact]
    public void Offset_moves_restarts_and_cosine_ahead_after_the_warm_up()
    {
        var ahead = Schedule with { AdjustStep = 1_000 };

        ahead.Multiplier(499).Should().Be(Schedule.Multiplier(499));
        ahead.Multiplier(1_000).Should().Be(Schedule.Multiplier(2_000));
        ahead.Multiplier(9_000).Should().Be(0);
    }

    [Theory]
    [InlineData(49, 0.411310831048081)]
    [InlineData(80, 0.0)]
    [InlineData(90, 0.16238663120568747)]
    [InlineData(99, 0.3085345992908062)]
    public void Ramp_near_the_end_of_a_run_with_an_offset_aims_where_the_authors_code_does(long step, double expected)
    {
        // f(p) = 0.001 + 0.999 (1 + cos πp) / 2 with p = (t + 20 − 30) / 70, and at the ramp's end p = (100 + 50 − 30) / 70.
        var schedule = new JaggedCosineSchedule { TotalSteps = 100, Warmup = 30, RestartEvery = 50, RestartWarmup = 50, MinRatio = 0.001, AdjustStep = 20 };

        schedule.Multiplier(step).Should().BeApproximately(expected, 1e-6);
    }

    [Fact]
    public void Ramp_with_an_offset_does_not_bend_at_the_last_step()
    {
        var schedule = new JaggedCosineSchedule { TotalSteps = 100, Warmup = 30, RestartEvery = 50, RestartWarmup = 50, MinRatio = 0.001, AdjustStep = 20 };

        (schedule.Multiplier(101) - schedule.Multiplier(100)).Should().BeApproximately(schedule.Multiplier(99) - schedule.Multiplier(98), 1e-12);
    }

    [Fact]
    public void Ramp_that_does_not_start_from_zero_loses_no_step_and_joins_the_cosine()
    {
        var schedule = Schedule with { RampsFromZero = false };

        schedule.Multiplier(5_000).Should().BeApproximately(0.794406 / 101, 1e-6);
        schedule.Multiplier(5_099).Should().BeApproximately(0.794406 * 100 / 101, 1e-6);
        schedule.Multiplier(5_100).Should().Be(Schedule.Multiplier(5_100));
        Schedule.Multiplier(5_000).Should().Be(0, "the published ramp starts from zero");
    }

    [Fact]
    public void Rate_does_not_rise_again_after_the_last_step() =>
        Schedule.Multiplier(19_000).Should().BeApproximately(0.1, 1e-12);
}
