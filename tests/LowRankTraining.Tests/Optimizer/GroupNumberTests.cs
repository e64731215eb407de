using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>What a scheduler, or a program, makes of the numbers of a group while a run goes on.</summary>
public class GroupNumberTests
{
    public static TheoryData<string> Flows => [.. Enum.GetNames<GradientFlow>()];

    /// <summary>A linear decay by <c>LambdaLR</c> that is stepped past its end goes up the gradient; a division by the length of an epoch that is 0 makes NaN
    /// of every weight.</summary>
    [Theory]
    [InlineData(-0.2, "-0.002"), InlineData(double.NaN, "NaN"), InlineData(double.PositiveInfinity, "Infinity")]
    public void Schedule_past_its_end_is_refused_before_a_weight_is_touched(double multiplier, string named)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(ones(4, 6));
        using var optimizer = GaLore.AdamW([("weight", weight)], lr: 0.01, rank: 2);
        var scheduler = optim.lr_scheduler.LambdaLR(optimizer, step => step < 2 ? 1 : multiplier);
        LowRankOptimizerTests.Step(optimizer, weight);
        scheduler.step();
        LowRankOptimizerTests.Step(optimizer, weight);
        scheduler.step();
        var before = weight.clone();

        FluentActions.Invoking(() => LowRankOptimizerTests.Step(optimizer, weight))
            .Should().Throw<InvalidOperationException>().WithMessage($"Before step 3, the learning rate is {named} *group 0*scheduler*Nothing was changed.");

        weight.eq(before).all().ToBoolean().Should().BeTrue();
        optimizer.CompletedSteps.Should().Be(2);
    }

    [Fact]
    public void Decay_and_betas_of_a_group_are_looked_at_too()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(ones(4, 6));
        using var optimizer = GaLore.AdamW([("weight", weight)], lr: 0.01, rank: 2);
        optimizer.add_param_group(new LowRankOptimizer.ParamGroup([new Parameter(ones(2))]));
        var options = ((LowRankOptimizer.ParamGroup)optimizer.ParamGroups.Last()).Options;
        var step = () => LowRankOptimizerTests.Step(optimizer, weight);

        options.weight_decay = double.NaN;
        step.Should().Throw<InvalidOperationException>().WithMessage("*the weight decay is NaN*group 1*");
        options.weight_decay = 0;
        options.beta1 = 1;
        step.Should().Throw<InvalidOperationException>().WithMessage("*β₁ is 1*group 1*");
        options.beta1 = 0.9;
        options.beta2 = -1;
        step.Should().Throw<InvalidOperationException>().WithMessage("*β₂ is -1*group 1*");
        options.beta2 = null;
        step.Should().NotThrow();
    }

    [Theory, MemberData(nameof(Flows))]
    public void Rate_is_refused_in_every_flow(string flow)
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("first", nn.Linear(8, 16)), ("second", nn.Linear(16, 8)));
        using var optimizer = new GaLore { Rank = 2 }.Attach(model, gradients: Enum.Parse<GradientFlow>(flow)).CreateOptimizer(lr: 0.01);
        var before = model.parameters().Select(parameter => parameter.clone()).ToArray();
        foreach (var group in optimizer.ParamGroups)
            group.LearningRate = double.NaN;

        model.call(ones(4, 8)).square().mean().backward();

        optimizer.Invoking(own => own.step()).Should().Throw<InvalidOperationException>().WithMessage("*the learning rate is NaN*");
        model.parameters().Zip(before, (now, then) => now.eq(then).all().ToBoolean()).Should().OnlyContain(same => same);
    }
}
