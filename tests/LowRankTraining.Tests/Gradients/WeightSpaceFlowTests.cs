using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Gradients;

/// <summary>Factors that live with the optimizer and have their gradients from the backward pass: the trajectory of those that have them from whole
/// ones.</summary>
public class WeightSpaceFlowTests
{
    private const int Steps = 50;

    public static TheoryData<string> Methods => [.. Named.Keys];

    private static Dictionary<string, WeightSpaceMethod> Named { get; } = new()
    {
        ["relora"] = new ReLoRA { Rank = 4, Alpha = 8, MergeEvery = 12, Injection = Injection.Shadow },
        ["relora, warm start"] = new ReLoRA { Rank = 4, Alpha = 8, MergeEvery = 12, WarmStartSteps = 7, Injection = Injection.Shadow },
        ["relora, falling rank"] = new ReLoRA { Rank = 6, Alpha = 8, MergeEvery = 12, RankDecay = 0.7, Injection = Injection.Shadow },
        ["lora"] = new LoRA { Rank = 4, Injection = Injection.Shadow, TrainOthers = true },
        ["lora+"] = new LoRA { Rank = 4, LearningRateRatio = 4, Injection = Injection.Shadow, TrainOthers = true },
        ["pissa"] = new LoRA { Rank = 4, Init = FactorInit.PiSSA, Injection = Injection.Shadow, TrainOthers = true },
        ["sltrain"] = new SLTrain { Rank = 4, Density = 0.1, Injection = Injection.Shadow },
    };

    [Theory]
    [MemberData(nameof(Methods))]
    public void Trajectory_is_that_of_whole_gradients(string method) => Compare(Named[method], micro: 1, [12]);

    [Theory]
    [InlineData("relora", 3, new long[] { 12 })]
    [InlineData("lora", 2, new long[] { 3, 5 })]
    [InlineData("sltrain", 2, new long[] { 2, 2, 3 })]
    public void Micro_batches_and_inputs_of_more_dimensions_add_up(string method, int micro, long[] shape) => Compare(Named[method], micro, shape);

    [Theory]
    [InlineData("relora")]
    [InlineData("sltrain")]
    public void No_weight_has_a_gradient_and_that_of_the_parts_is_held(string method)
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var session = Named[method].Attach(model, Targets.AllLinear(), GradientFlow.Projected);
        using var optimizer = session.CreateOptimizer(0.01);

        for (var step = 0; step < 3; step++)
        {
            model.Loss(step, 12).backward();
            foreach (var layer in session.Layers)
            {
                var weight = model.get_parameter(layer.Name)!;
                weight.grad.Should().BeNull(layer.Name);
                var parts = method == "sltrain" ? (long)(0.1 * weight.numel()) : 0;
                optimizer.StateOf(weight)["accumulated"].numel().Should().Be(4 * weight.shape.Sum() + parts, layer.Name);
            }

            optimizer.step();
        }

        optimizer.SkippedUpdates.Should().Be(0);
    }

    [Fact]
    public void Gradients_of_factors_are_those_that_autograd_finds()
    {
        using var scope = NewDisposeScope();
        using TappedModel shadowed = new(), replaced = new();
        var lora = new LoRA { Rank = 4, Init = FactorInit.PiSSA };
        using var one = (lora with { Injection = Injection.Shadow }).Attach(shadowed, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        using var other = (lora with { Injection = Injection.Replace }).Attach(replaced, Targets.AllLinear()).CreateOptimizer(0.01);
        foreach (var (model, optimizer) in new[] { (shadowed, one), (replaced, other) })
        {
            model.Loss(1, 12).backward();
            optimizer.step();
            optimizer.zero_grad();
            model.Loss(2, 12).backward();
        }

        foreach (var name in new[] { "tall", "twice", "wide" })
        {
            var actual = one.StateOf(shadowed.get_parameter($"{name}.weight")!)["accumulated"];
            var (a, b) = (replaced.get_parameter($"{name}.lora_A")!.grad!, replaced.get_parameter($"{name}.lora_B")!.grad!);
            Draw.Error(actual, cat([a, b.t()], 1).to(ScalarType.Float64)).Should().BeLessThan(1e-4, name);
        }
    }

    [Fact]
    public void Clipping_has_the_norm_that_factors_in_the_model_have()
    {
        using var scope = NewDisposeScope();
        using TappedModel shadowed = new(), replaced = new();
        var lora = new LoRA { Rank = 4 };
        using var one = (lora with { Injection = Injection.Shadow }).Attach(shadowed, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        using var other = (lora with { Injection = Injection.Replace }).Attach(replaced, Targets.AllLinear()).CreateOptimizer(0.01);
        shadowed.Loss(1, 12).backward();
        replaced.Loss(1, 12).backward();

        var norm = one.clip_grad_norm_(0.01);

        norm.Should().BeApproximately(other.clip_grad_norm_(0.01), 1e-5 * norm);
        one.clip_grad_norm_(1).Should().BeApproximately(0.01, 1e-5);
    }

    [Fact]
    public void Factors_of_a_first_window_that_is_dropped_are_drawn_again()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = Named["relora"].Attach(model, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        var state = optimizer.StateOf(model.get_parameter("wide.weight")!);
        model.Loss(1, 12).backward();
        state.Tensors.Should().ContainKey("factors");

        optimizer.zero_grad();

        state.Tensors.Should().BeEmpty();
    }

    [Fact]
    public void Run_that_is_saved_within_its_first_window_goes_on_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryDirectory();
        using TappedModel model = new(), resumed = new();
        using (var optimizer = Named["lora"].Attach(model, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01))
        {
            (model.Loss(1, 12) / 2).backward();
            TrainingCheckpoint.Save(folder.Path, model, optimizer);
            (model.Loss(2, 12) / 2).backward();
            optimizer.step();
        }

        using (var optimizer = Named["lora"].Attach(resumed, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01))
        {
            TrainingCheckpoint.Load(folder.Path, resumed, optimizer);
            (resumed.Loss(2, 12) / 2).backward();
            optimizer.step();
        }

        foreach (var ((name, expected), (_, actual)) in model.named_parameters().Zip(resumed.named_parameters()))
            actual.equal(expected).all().ToBoolean().Should().BeTrue(name);
    }

    [Fact]
    public void Layer_that_is_run_by_forward_holds_its_gradient_and_says_so()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel(passesHooksBy: true);
        using var session = Named["relora"].Attach(model, Targets.AllLinear(), GradientFlow.Projected);
        using var optimizer = session.CreateOptimizer(0.01);

        model.Loss(1, 12).backward();
        model.get_parameter("wide.weight")!.grad.Should().NotBeNull();
        optimizer.step();

        session.Describe().Should().Contain("whole gradient: the model runs the layer by forward()");
        optimizer.StateOf(model.get_parameter("wide.weight")!).Tensors.Should().ContainKey("factors");
    }

    [Fact]
    public void Hooks_are_gone_when_the_session_is_finished_or_disposed()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        var method = Named["relora"];

        using (var session = method.Attach(model, Targets.AllLinear(), GradientFlow.Projected))
        {
            FluentActions.Invoking(() => new GaLore { Rank = 4 }.Attach(model, Targets.AllLinear(), GradientFlow.Projected)).Should()
                .Throw<InvalidOperationException>().WithMessage("*goes to another session*Dispose that one*Nothing was changed.");
            session.Finish();
        }

        using (method.Attach(model, Targets.AllLinear(), GradientFlow.Projected)) { }

        model.Loss(1, 12).backward();
        model.get_parameter("wide.weight")!.grad.Should().NotBeNull();
    }

    [Fact]
    public void Updates_in_the_backward_pass_are_refused()
    {
        using var model = new TappedModel();

        FluentActions.Invoking(() => new ReLoRA { Rank = 4 }.Attach(model, gradients: GradientFlow.Stepped)).Should()
            .Throw<NotSupportedException>().WithMessage("'relora' cannot take gradients by GradientFlow.Stepped, only by Whole and Projected*");
        FluentActions.Invoking(() => new ReLoRA { Rank = 4 }.Attach(model, gradients: (GradientFlow)9)).Should()
            .Throw<ArgumentException>().WithMessage("9 is no GradientFlow*");
        model.named_parameters().Should().OnlyContain(pair => pair.parameter.requires_grad);
    }

    private static void Compare(WeightSpaceMethod method, int micro, long[] shape)
    {
        using var scope = NewDisposeScope();
        using TappedModel whole = new(), projected = new();
        using var one = method.Attach(whole, Targets.AllLinear()).CreateOptimizer(0.01);
        using var other = method.Attach(projected, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        foreach (var (model, optimizer) in new[] { (whole, one), (projected, other) })
            for (var step = 0; step < Steps; step++)
            {
                optimizer.zero_grad();
                for (var part = 0; part < micro; part++)
                    (model.Loss(step * micro + part, shape) / micro).backward();
                optimizer.step();
            }

        other.SkippedUpdates.Should().Be(one.SkippedUpdates);
        foreach (var ((name, expected), (_, actual)) in whole.named_parameters().Zip(projected.named_parameters()))
            Draw.Error(actual.detach(), expected.detach().to(ScalarType.Float64)).Should().BeLessThan(1e-5, name);
    }
}
