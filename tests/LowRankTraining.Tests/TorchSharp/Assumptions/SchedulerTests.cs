using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>How a schedule gets at the rates of an optimizer.</summary>
public class SchedulerTests
{
    [Fact]
    public void Lambda_multiplies_the_initial_rate_and_steps_once_when_it_is_made()
    {
        using var optimizer = Optimizer(lr: 0.5);
        var asked = new List<int>();

        var schedule = lr_scheduler.LambdaLR(optimizer, epoch =>
        {
            asked.Add(epoch);
            return 1.0 / (epoch + 1);
        });
        var rates = Rates(optimizer, schedule, 3);

        rates.Should().Equal(0.5, 0.25, 0.5 * (1.0 / 3));
        asked[0].Should().Be(0);
    }

    [Fact]
    public void Lambda_goes_on_after_the_epoch_that_it_is_given()
    {
        using var optimizer = Optimizer(lr: 0.5);
        optimizer.ParamGroups.First().LearningRate = 0.1;

        var schedule = lr_scheduler.LambdaLR(optimizer, epoch => epoch, last_epoch: 6);

        Rates(optimizer, schedule, 2).Should().Equal(3.5, 4);
    }

    [Fact]
    public void Constructor_and_step_call_the_step_that_takes_an_epoch_which_can_be_overridden()
    {
        using var optimizer = Optimizer(lr: 1);
        var schedule = new Counting(optimizer);
        var made = schedule.Epochs.Count;

        schedule.step();
        schedule.step(7);

        made.Should().Be(1);
        schedule.Epochs.Should().Equal(null, null, 7);
        optimizer.ParamGroups.First().LearningRate.Should().Be(7);
    }

    [Fact]
    public void One_cycle_wants_betas_of_optimizer_and_groups()
    {
        using var without = Optimizer(lr: 0.1);
        using var with = optim.AdamW([new Parameter(ones(1))], lr: 0.1);

        FluentActions.Invoking(() => lr_scheduler.OneCycleLR(without, max_lr: 1, total_steps: 10)).Should().Throw<Exception>();
        FluentActions.Invoking(() => lr_scheduler.OneCycleLR(with, max_lr: 1, total_steps: 10)).Should().NotThrow();
        FluentActions.Invoking(() => lr_scheduler.OneCycleLR(without, max_lr: 1, total_steps: 10, cycle_momentum: false)).Should().NotThrow();
    }

    private static Descent Optimizer(double lr) => new([new Parameter(ones(1))], lr);

    private static List<double> Rates(optim.Optimizer optimizer, lr_scheduler.LRScheduler schedule, int count)
    {
        var rates = new List<double>();
        for (var epoch = 0; epoch < count; epoch++)
        {
            rates.Add(optimizer.ParamGroups.First().LearningRate);
            schedule.step();
        }

        return rates;
    }

    private sealed class Counting(optim.Optimizer optimizer) : lr_scheduler.impl.LambdaLR(optimizer, epoch => epoch)
    {
        public List<int?> Epochs { get; } = [];

        public override void step(int? epoch)
        {
            Epochs.Add(epoch);
            base.step(epoch);
        }
    }
}
