using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Gradients;

/// <summary>What a layer does whose gradient is taken in the backward pass, and which layers it cannot be taken of.</summary>
public class TapTests
{
    private static readonly GaLore Method = new() { Rank = 4, RefreshEvery = 10 };

    [Fact]
    public void Gradient_is_not_formed_and_its_projection_has_rank_times_l_numbers()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = AfterOneStep(model);

        model.Loss(1, 12).backward();

        foreach (var plan in optimizer.Session.Parameters.Where(plan => plan.Rule is SubspaceRule))
        {
            plan.Parameter.grad.Should().BeNull(plan.Name);
            optimizer.StateOf(plan.Parameter)["accumulated"].NumberOfElements.Should().Be(4 * plan.Shape.Max(), plan.Name);
        }

        optimizer.Session.Parameters.Count(plan => plan.Rule is SubspaceRule).Should().Be(3);
    }

    [Fact]
    public void Projection_is_that_of_the_gradient_that_autograd_forms()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), plain = new();
        using var optimizer = AfterOneStep(model);
        plain.load_state_dict(model.state_dict());

        model.Loss(1, 3, 4).backward();
        plain.Loss(1, 3, 4).backward();

        foreach (var name in new[] { "tall.weight", "twice.weight", "wide.weight" })
        {
            var state = optimizer.StateOf(model.get_parameter(name)!);
            var gradient = plain.get_parameter(name)!.grad!;
            var expected = gradient.size(0) < gradient.size(1) ? state["basis"].t().mm(gradient) : gradient.mm(state["basis"]);
            Draw.Error(state["accumulated"], expected.to(ScalarType.Float64)).Should().BeLessThan(2e-6, name);
        }
    }

    [Fact]
    public void Everything_else_has_the_gradient_that_it_always_had()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), plain = new();
        using var optimizer = AfterOneStep(model);
        plain.load_state_dict(model.state_dict());

        model.Loss(1, 12).backward();
        plain.Loss(1, 12).backward();

        foreach (var name in new[] { "tall.bias", "wide.bias", "norm.weight", "norm.bias" })
            Draw.Error(model.get_parameter(name)!.grad!, plain.get_parameter(name)!.grad!.to(ScalarType.Float64)).Should().BeLessThan(2e-6, name);
    }

    [Fact]
    public void Pass_without_gradients_and_frozen_weight_are_left_alone()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = AfterOneStep(model);
        var weight = model.get_parameter("twice.weight")!;
        weight.requires_grad = false;

        using (no_grad())
            model.call(randn(2, TappedModel.Width)).requires_grad.Should().BeFalse();
        model.Loss(1, 12).backward();

        optimizer.StateOf(weight).TryGet("accumulated", out _).Should().BeFalse();
        optimizer.StateOf(model.get_parameter("tall.weight")!).TryGet("accumulated", out _).Should().BeTrue();
    }

    [Fact]
    public void Layer_that_is_run_by_forward_holds_its_gradient_and_says_so()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(passesHooksBy: true), twin = new(passesHooksBy: true);
        var logger = new RecordingLogger();
        using var optimizer = (Method with { Logger = logger }).Attach(model, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        using var whole = Method.Attach(twin, Targets.AllLinear()).CreateOptimizer(0.01);

        Train(model, optimizer, 3);
        Train(twin, whole, 3);

        foreach (var (expected, actual) in twin.parameters().Zip(model.parameters()))
            actual.data<float>().ToArray().Should().Equal(expected.data<float>().ToArray());
        optimizer.Session.Describe().Should().Contain("tall.weight").And.Contain("forward(), which passes hooks by");
        logger.Lines.Should().ContainSingle(line => line.Contains("3 projected weights"));
    }

    [Fact]
    public void Tied_layers_convolutions_and_hooked_layers_hold_their_gradients_with_the_reason()
    {
        using var scope = NewDisposeScope();
        var (first, second, hooked) = (nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8));
        second.weight = first.weight;
        using var model = nn.Sequential(("conv", nn.Conv1d(8, 8, 3)), ("first", first), ("second", second), ("hooked", hooked), ("plain", nn.Linear(8, 8)));
        hooked.register_forward_hook((_, _, output) => output * 2);

        using var session = Method.Attach(model, gradients: GradientFlow.Projected);

        var notes = session.Parameters.ToDictionary(plan => plan.Name, plan => plan.Note);
        notes["conv.weight"].Should().Contain("not the weight of a linear layer, nor of a convolution in two dimensions");
        notes["first.weight"].Should().Contain("several modules share it: first.weight, second.weight");
        notes["hooked.weight"].Should().Contain("hooks of its own");
        notes["plain.weight"].Should().BeNull();
    }

    [Fact]
    public void Method_whose_rule_needs_the_whole_gradient_is_refused_with_the_reason()
    {
        using var model = new TappedModel();

        FluentActions.Invoking(() => new Fira { Rank = 4 }.Attach(model, gradients: GradientFlow.Projected))
            .Should().Throw<NotSupportedException>()
            .WithMessage("*'fira'*GradientFlow.Projected*only by Whole and Stepped*ScaledResidual needs the whole gradient*");
        FluentActions.Invoking(() => ((ILowRankStrategy)new Simple()).Attach(model, null, GradientFlow.Projected))
            .Should().Throw<NotSupportedException>().WithMessage("*'test.simple'*Whole only*");
        FluentActions.Invoking(() => Method.Attach(model, gradients: (GradientFlow)9)).Should().Throw<ArgumentException>()
            .WithMessage("*Whole, Projected, Stepped*");
    }

    [Theory]
    [InlineData(GradientFlow.Projected)]
    [InlineData(GradientFlow.Stepped)]
    [InlineData(GradientFlow.Whole)]
    public void Second_session_on_one_model_is_refused_until_the_first_is_disposed(GradientFlow flow)
    {
        using var model = new TappedModel();
        using (var first = Method.Attach(model, gradients: GradientFlow.Projected))
        {
            FluentActions.Invoking(() => Method.Attach(model, gradients: flow))
                .Should().Throw<InvalidOperationException>().WithMessage("*'tall.weight' goes to another session*Nothing was changed*");
            using var optimizer = first.CreateOptimizer();
            first.Invoking(session => session.CreateOptimizer()).Should().Throw<InvalidOperationException>().WithMessage("*another optimizer*");
        }

        using var second = Method.Attach(model, gradients: flow);
    }

    [Fact]
    public void Model_is_a_plain_one_when_the_session_is_finished()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = AfterOneStep(model);

        optimizer.Session.Finish();
        model.Loss(1, 12).backward();

        model.get_parameter("tall.weight")!.grad.Should().NotBeNull();
    }

    [Fact]
    public void Weight_that_is_changed_between_forward_and_backward_is_found_by_the_step()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = AfterOneStep(model);
        var loss = model.Loss(1, 12);
        var weight = model.get_parameter("wide.weight")!;
        using (no_grad())
            weight.mul_(2);
        var before = weight.detach().clone();

        loss.backward();

        optimizer.Invoking(o => o.step()).Should().Throw<InvalidOperationException>()
            .WithMessage("*changed in place between the forward pass and this backward pass*").WithInnerException<Exception>()
            .WithMessage("*modified by an inplace operation*");
        weight.equal(before).all().ToBoolean().Should().BeTrue();
        optimizer.CompletedSteps.Should().Be(1);
        optimizer.zero_grad();
        Train(model, optimizer, 1);
        optimizer.CompletedSteps.Should().Be(2);
    }

    [Fact]
    public void Exception_of_a_part_in_the_backward_pass_is_thrown_by_the_step_and_nothing_is_updated()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        var refresh = new Failing();
        using var optimizer = new GaLore { Rank = 4, Refresh = refresh }.Attach(model, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        Train(model, optimizer, 1);
        var before = model.parameters().Select(parameter => parameter.detach().clone()).ToArray();
        refresh.Fails = true;

        model.Loss(1, 12).backward();

        optimizer.Invoking(o => o.step()).Should().Throw<DivideByZeroException>().WithMessage("On purpose.");
        model.parameters().Zip(before).Should().OnlyContain(pair => pair.First.equal(pair.Second).all().ToBoolean());
        optimizer.CompletedSteps.Should().Be(1);
        refresh.Fails = false;
        Train(model, optimizer, 1);
        optimizer.CompletedSteps.Should().Be(2);
    }

    [Fact]
    public void Second_derivatives_are_refused_by_the_step()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = AfterOneStep(model);
        var input = randn(2, TappedModel.Width, requires_grad: true);

        autograd.grad([model.call(input * 1).sum()], [input], create_graph: true);

        optimizer.Invoking(o => o.step()).Should().Throw<NotSupportedException>().WithMessage("*create_graph*GradientFlow.Whole*");
    }

    [Fact]
    public void Second_derivatives_for_an_input_of_the_first_layer_are_refused_by_the_step()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = AfterOneStep(model);
        var input = randn(2, TappedModel.Width, requires_grad: true);

        autograd.grad([model.call(input).sum()], [input], create_graph: true)[0].square().sum().backward();

        optimizer.Invoking(o => o.step()).Should().Throw<NotSupportedException>().WithMessage("*create_graph*GradientFlow.Whole*");
    }

    /// <summary>As for an adversarial example, or for a picture of what an output depends on.</summary>
    [Theory]
    [InlineData(GradientFlow.Projected)]
    [InlineData(GradientFlow.Stepped)]
    public void Gradients_of_inputs_and_activations_alone_are_no_gradients_of_weights(GradientFlow flow)
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), plain = new();
        using var optimizer = Method.Attach(model, Targets.AllLinear(), flow).CreateOptimizer(0.01);
        using var whole = Method.Attach(plain, Targets.AllLinear()).CreateOptimizer(0.01);

        for (var step = 0; step < 12; step++)
        {
            var input = randn(6, TappedModel.Width, requires_grad: true);
            Learn(model, optimizer, input);
            Learn(plain, whole, input);
        }

        foreach (var (expected, actual) in plain.parameters().Zip(model.parameters()))
            Draw.Error(actual, expected.to(ScalarType.Float64)).Should().BeLessThan(1e-5);

        static void Learn(TappedModel model, LowRankOptimizer optimizer, Tensor input)
        {
            optimizer.zero_grad();
            var output = model.call(input);
            var loss = output.square().mean();
            var direction = autograd.grad([loss], [input], retain_graph: true)[0];
            autograd.backward(loss, (IList<Tensor>?)null, retain_graph: true, inputs: [output]);
            model.call((input + 0.1 * direction.sign()).detach()).square().mean().backward();
            optimizer.step();
        }
    }

    private static LowRankOptimizer AfterOneStep(TappedModel model)
    {
        var optimizer = Method.Attach(model, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        Train(model, optimizer, 1);
        foreach (var parameter in model.parameters())
            parameter.grad = null;
        return optimizer;
    }

    private static void Train(TappedModel model, LowRankOptimizer optimizer, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            optimizer.zero_grad();
            model.Loss(step, 12).backward();
            optimizer.step();
        }
    }

    private sealed record Failing : IRefreshPolicy
    {
        public bool Fails { get; set; }

        public void Check(Checks checks) { }

        public bool IsDue(long completed, int index, StateBag state) => Fails ? throw new DivideByZeroException("On purpose.") : false;
    }

    /// <summary>A method that knows nothing of flows.</summary>
    private sealed class Simple : ILowRankStrategy
    {
        public string Name => "test.simple";

        public ILowRankSession Attach(nn.Module model, Targets? targets = null) => throw new InvalidOperationException("It was attached.");
    }
}
