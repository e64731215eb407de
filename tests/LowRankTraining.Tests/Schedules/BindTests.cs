using FluentAssertions;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Schedules;

public class BindTests
{
    private static readonly LinearSchedule Falling = new() { TotalSteps = 10 };

    [Fact]
    public void Bound_schedule_multiplies_the_rate_of_every_group()
    {
        using var optimizer = TwoGroups();
        var scheduler = Falling.Bind(optimizer);

        Rates(optimizer).Should().Equal(0.1, 0.2);
        scheduler.step();
        scheduler.step();
        Rates(optimizer).Should().Equal([0.08, 0.16], (actual, expected) => Math.Abs(actual - expected) < 1e-12);
        scheduler.CompletedSteps.Should().Be(2);
    }

    [Fact]
    public void Schedule_bound_in_the_middle_goes_on_where_the_other_was()
    {
        using var uninterrupted = TwoGroups();
        using var resumed = TwoGroups();

        var first = Falling.Bind(uninterrupted);
        for (var step = 0; step < 4; step++)
            first.step();
        var second = Falling.Bind(resumed, completedSteps: 4);

        Rates(resumed).Should().Equal(Rates(uninterrupted));
        first.step();
        second.step();
        Rates(resumed).Should().Equal(Rates(uninterrupted));
        second.CompletedSteps.Should().Be(first.CompletedSteps);
    }

    [Fact]
    public void Binding_again_multiplies_the_initial_rate_and_not_the_lowered_one()
    {
        using var optimizer = TwoGroups();
        var scheduler = Falling.Bind(optimizer);
        for (var step = 0; step < 5; step++)
            scheduler.step();

        Falling.Bind(optimizer, completedSteps: 5);

        Rates(optimizer).Should().Equal([0.05, 0.1], (actual, expected) => Math.Abs(actual - expected) < 1e-12);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Group_that_is_added_later_follows_from_its_own_rate(bool isOurs)
    {
        using Parameter first = new(ones(4, 4)), later = new(ones(2));
        using OptimizerHelper optimizer = isOurs ? GaLore.AdamW([("first", first)], lr: 0.1, rank: 2) : optim.SGD([first], 0.1);
        var scheduler = Falling.Bind(optimizer);
        scheduler.step();
        optimizer.add_param_group(isOurs ? new LowRankOptimizer.ParamGroup([later], lr: 0.4) : new SGD.ParamGroup([later], 0.4));
        if (isOurs)
            Rates(optimizer).Should().Equal([0.09, 0.36], (actual, expected) => Math.Abs(actual - expected) < 1e-12);

        scheduler.step();
        Rates(optimizer).Should().Equal([0.08, 0.32], (actual, expected) => Math.Abs(actual - expected) < 1e-12);
    }

    [Fact]
    public void Contradictions_are_listed_all_at_once_and_leave_the_optimizer_alone()
    {
        using var optimizer = TwoGroups();
        var wrong = new JaggedCosineSchedule { TotalSteps = 100, Warmup = 200, RestartEvery = 30, RestartWarmup = 40, MinRatio = 0 };

        var failures = wrong.Invoking(schedule => schedule.Bind(optimizer)).Should().Throw<OptionsValidationException>().Which.Failures.ToArray();

        failures.Should().HaveCount(4);
        failures.Should().Contain(failure => failure.Contains("RestartEvery (30) must divide TotalSteps (100)"));
        failures.Should().Contain(failure => failure.Contains("MinRatio is 0"));
        failures.Should().Contain(failure => failure.Contains("RestartWarmup is 40"));
        failures.Should().Contain(failure => failure.Contains("Warmup + AdjustStep is 200"));
        Rates(optimizer).Should().Equal(0.1, 0.2);
    }

    [Fact]
    public void Contradictions_inside_a_joined_schedule_name_the_part()
    {
        using var optimizer = TwoGroups();
        var joined = new JoinedSchedule((new ConstantSchedule(), 0), (new CosineSchedule { TotalSteps = 10, Warmup = 20 }, 10));

        joined.Invoking(schedule => schedule.Bind(optimizer)).Should().Throw<OptionsValidationException>()
            .Which.Failures.Should().BeEquivalentTo(
                "Parts[0] lasts 0 steps: it must last at least 1.",
                "JoinedSchedule.Parts[1]: Warmup is 20: it must not be longer than TotalSteps (10).");
    }

    private static SGD TwoGroups()
    {
        var optimizer = optim.SGD([new Parameter(zeros(2))], 0.1);
        optimizer.add_param_group(new SGD.ParamGroup([new Parameter(zeros(2))], 0.2));
        return optimizer;
    }

    private static double[] Rates(OptimizerHelper optimizer) => [.. optimizer.ParamGroups.Select(group => group.LearningRate)];
}
