using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace TorchSharp.SystemLibtorch.Tests.Optimizers;

public sealed class SchedulerTests
{
    [Fact]
    public void Lambda_multiplies_the_initial_rate_and_steps_once_when_made()
    {
        using var optimizer = Optimizer(0.5);
        var schedule = lr_scheduler.LambdaLR(optimizer, epoch => 1.0 / (epoch + 1));

        Rates(optimizer, schedule, 4).Should().Equal(0.5, 0.25, 0.5 * (1.0 / 3), 0.125);
        schedule.get_last_lr().Should().Equal(0.1);
    }

    [Fact]
    public void Lambda_resumes_after_the_given_epoch()
    {
        using var optimizer = Optimizer(0.5);
        optimizer.ParamGroups.First().LearningRate = 0.1;

        var schedule = lr_scheduler.LambdaLR(optimizer, epoch => epoch, last_epoch: 6);

        Rates(optimizer, schedule, 2).Should().Equal(3.5, 4);
    }

    [Fact]
    public void Every_group_has_its_own_lambda_and_initial_rate()
    {
        using var first = new Parameter(ones(1));
        using var second = new Parameter(ones(1));
        using var optimizer = SGD(new SGD.ParamGroup[] { new([first], lr: 1), new([second], lr: 2) }, 0.1);

        var schedule = new lr_scheduler.impl.LambdaLR(optimizer, [epoch => epoch, epoch => 10 * epoch]);
        schedule.step();
        schedule.step();

        schedule.get_last_lr().Should().Equal(2, 40);
        optimizer.ParamGroups.Select(group => group.LearningRate).Should().Equal(2, 40);
    }

    [Fact]
    public void Lambda_can_jump()
    {
        using var optimizer = Optimizer(1);
        var schedule = lr_scheduler.LambdaLR(optimizer, epoch => epoch);

        schedule.step(7);
        optimizer.ParamGroups.First().LearningRate.Should().Be(7);
        schedule.step(current: 0.3);
        optimizer.ParamGroups.First().LearningRate.Should().Be(8);
    }

    [Fact]
    public void Step_drops_by_gamma_every_few_epochs()
    {
        using var optimizer = Optimizer(8);
        Rates(optimizer, lr_scheduler.StepLR(optimizer, 2, gamma: 0.5), 6).Should().Equal(8, 8, 4, 4, 2, 2);
    }

    [Fact]
    public void Cosine_follows_its_closed_form_down_and_up_again()
    {
        using var optimizer = Optimizer(1);
        var expected = Enumerable.Range(0, 13).Select(epoch => 0.1 + (0.9 * (1 + Math.Cos(Math.PI * epoch / 4)) / 2));

        Rates(optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 4, eta_min: 0.1), 13).Should().Equal(expected, (left, right) => Math.Abs(left - right) < 1e-12);
    }

    [Fact]
    public void Linear_rises_and_constant_lifts_at_its_end()
    {
        using var rising = Optimizer(1);
        Rates(rising, lr_scheduler.LinearLR(rising, start_factor: 0.2, total_iters: 4), 6)
            .Should().Equal([0.2, 0.4, 0.6, 0.8, 1, 1], (left, right) => Math.Abs(left - right) < 1e-12);

        using var held = Optimizer(1);
        Rates(held, lr_scheduler.ConstantLR(held, factor: 0.5, total_iters: 2), 4).Should().Equal(0.5, 0.5, 1, 1);
    }

    [Fact]
    public void A_jump_uses_the_closed_form()
    {
        using var optimizer = Optimizer(8);
        var schedule = lr_scheduler.StepLR(optimizer, 2, gamma: 0.5);

        schedule.step(5);

        optimizer.ParamGroups.First().LearningRate.Should().Be(2);
    }

    private static SGD Optimizer(double rate) => SGD(new[] { new Parameter(ones(1)) }, rate);

    private static List<double> Rates(Optimizer optimizer, lr_scheduler.LRScheduler schedule, int count)
    {
        var rates = new List<double>();
        for (var epoch = 0; epoch < count; epoch++)
        {
            rates.Add(optimizer.ParamGroups.First().LearningRate);
            schedule.step();
        }

        return rates;
    }
}
