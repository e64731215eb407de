using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

/// <summary>What is trained beside factors: nothing, unless somebody asks for it.</summary>
public class TrainedShareTests
{
    private const long Numbers = 16 * 12 + 16 + 2 * 16 + 16 * 16 + 6 * 16 + 6;

    [Theory]
    [InlineData("lora", false), InlineData("dora", false), InlineData("prilora", false)]
    [InlineData("relora", true), InlineData("switchlora", true), InlineData("sltrain", true), InlineData("cola", true)]
    public void Methods_for_fine_tuning_freeze_the_rest_and_those_from_scratch_train_it(string name, bool trains)
    {
        using var model = Seeded(new OpenNetwork());
        using var session = LowRankStrategies.Create(name).Attach(model);

        model.get_parameter("lm_head.weight")!.requires_grad.Should().Be(trains);
        model.get_parameter("norm.bias")!.requires_grad.Should().Be(trains);
        session.Finish();
        model.get_parameter("lm_head.weight")!.requires_grad.Should().BeTrue();
    }

    [Theory]
    [InlineData(false, 4 * (16 + 12 + 16 + 16)), InlineData(true, 4 * (16 + 12 + 16 + 16) + 16 + 2 * 16 + 6 * 16 + 6)]
    public void Log_says_how_many_numbers_are_trained(bool trainOthers, long trained)
    {
        var logger = new RecordingLogger();
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4, Injection = Injection.Replace, TrainOthers = trainOthers, Logger = logger }.Attach(model);

        logger.Lines.Should().Contain(line => line.Contains(
            FormattableString.Invariant($"{trained} numbers are trained for {Numbers} of the model, {100.0 * trained / Numbers:f2}")));
    }

    [Fact]
    public void Frozen_head_that_its_user_thaws_is_trained()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4 }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 1);
        var before = Weights(model);

        model.get_parameter("lm_head.weight")!.requires_grad = true;
        Run(model, optimizer, 1);

        Weights(model)["lm_head.weight"].Should().NotEqual(before["lm_head.weight"]);
        Weights(model)["lm_head.bias"].Should().Equal(before["lm_head.bias"]);
    }

    [Theory]
    [InlineData("dora"), InlineData("prilora")]
    public void Hooks_that_are_passed_by_where_nothing_else_is_trained_are_an_error_that_says_what_to_do(string name)
    {
        using var model = Seeded(new SealedNetwork(passesHooksBy: true));
        using var optimizer = LowRankStrategies.Create(name).Attach(model).CreateOptimizer(0.01);
        var before = Weights(model);

        FluentActions.Invoking(() => Step(model, optimizer)).Should().Throw<InvalidOperationException>()
            .WithMessage("*has not run 'first.weight', 'second.weight'*layer.call(x)*Nothing was changed*");
        Weights(model).Should().BeEquivalentTo(before);
    }

    [Fact]
    public void Output_that_a_hook_of_the_user_keeps_or_changes_stays_as_without_the_method()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("first", nn.Linear(12, 16)), ("second", nn.Linear(16, 6)));
        Tensor? kept = null;
        var first = (TorchSharp.Modules.Linear)model.named_children().First().module;
        first.register_forward_hook((_, _, output) =>
        {
            kept = output;
            return output * 3;
        });
        var before = model.call(Inputs(model));

        using var optimizer = new LoRA { Rank = 2 }.Attach(model, Targets.AllLinear()).CreateOptimizer(0.01);
        (model.call(Inputs(model)) - before).abs().max().ToSingle().Should().Be(0);
        kept!.IsInvalid.Should().BeFalse();
        Run(model, optimizer, 3);
        var trained = Output(model);
        optimizer.Session.Finish();

        Distance(Output(model), trained).Should().BeLessThan(1e-6);
        FluentActions.Invoking(() => new DoRA { Rank = 2 }.Attach(model, Targets.AllLinear())).Should().Throw<ArgumentException>()
            .WithMessage("*forward hooks of its own*remove these, attach, and register them*Nothing was changed*");
    }

    /// <summary>As the refusal of hooks that were there before advises.</summary>
    [Theory]
    [InlineData("lora"), InlineData("dora"), InlineData("q-galore")]
    public void Hook_that_is_registered_on_an_adapted_layer_stays_when_the_plain_one_is_back(string name)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = LowRankStrategies.Create(name).Attach(model).CreateOptimizer(0.01);
        var first = (nn.Module<Tensor, Tensor>)model.named_children().First().module;
        first.register_forward_hook((_, _, output) => output * 3);
        var shift = first.register_forward_pre_hook((_, input) => input + 1);
        Run(model, optimizer, 3);
        var trained = Output(model);

        optimizer.Session.Finish();

        model.named_children().First().module.Should().BeOfType<TorchSharp.Modules.Linear>();
        Distance(Output(model), trained).Should().BeLessThan(1e-6);
        shift.remove();
        Distance(Output(model), trained).Should().BeGreaterThan(1e-3);
    }
}
