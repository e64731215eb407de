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

    [Fact]
    public void Rate_does_not_rise_again_after_the_last_step() =>
        Schedule.Multiplier(19_000).Should().BeApproximately(0.1, 1e-12);
}
