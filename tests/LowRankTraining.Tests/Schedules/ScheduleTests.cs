using FluentAssertions;
using LowRankTraining.Schedules;
using Xunit;

namespace LowRankTraining.Tests.Schedules;

public class ScheduleTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(5, 0.5)]
    [InlineData(10, 1)]
    [InlineData(60, 0.6)]
    [InlineData(110, 0.2)]
    [InlineData(500, 0.2)]
    public void Cosine_warms_up_and_decays_to_its_minimum(long step, double expected) =>
        new CosineSchedule { TotalSteps = 110, Warmup = 10, MinRatio = 0.2 }.Multiplier(step).Should().BeApproximately(expected, 1e-12);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(10, 1)]
    [InlineData(50, 1e-7)]
    [InlineData(51, 1e-7)]
    [InlineData(52, 0.2)]
    [InlineData(60, 1)]
    [InlineData(80, 0.55)]
    [InlineData(100, 1e-7)]
    public void Cyclic_cosine_starts_anew_in_every_cycle(long step, double expected) =>
        new CosineSchedule { TotalSteps = 100, Warmup = 10, CycleLength = 50 }.Multiplier(step).Should().BeApproximately(expected, 1e-12);

    [Theory]
    [InlineData(2, 0.5)]
    [InlineData(4, 1)]
    [InlineData(54, 0.55)]
    [InlineData(104, 0.1)]
    [InlineData(200, 0.1)]
    public void Linear_falls_in_a_straight_line(long step, double expected) =>
        new LinearSchedule { TotalSteps = 104, Warmup = 4, MinRatio = 0.1 }.Multiplier(step).Should().BeApproximately(expected, 1e-12);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 0.75)]
    [InlineData(4, 1)]
    [InlineData(1_000_000, 1)]
    public void Constant_stays_after_its_warm_up(long step, double expected) =>
        new ConstantSchedule { Warmup = 4 }.Multiplier(step).Should().Be(expected);

    [Fact]
    public void Joined_parts_start_from_their_own_step_zero_and_the_last_runs_on()
    {
        var joined = new JoinedSchedule((new ConstantSchedule(), 10), (new ConstantSchedule { Warmup = 4 }, 5));

        new long[] { 0, 9, 10, 12, 14, 99 }.Select(joined.Multiplier).Should().Equal(1, 1, 0, 0.5, 1, 1);
    }
}
