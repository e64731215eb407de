using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LowRankTraining.Tests.Gradients;

/// <summary>What training loops do besides backward and step, with gradients that are projected as they arise.</summary>
public class ProjectedLoopTests
{
    private static readonly GaLore Method = new() { Rank = 4, RefreshEvery = 10, Basis = new RandomOrthonormalBasis() };

    [Fact]
    public void Clipping_of_a_window_has_the_norm_and_the_effect_that_it_has_with_accumulated_gradients()
    {
        using var scope = NewDisposeScope();
        using TappedModel whole = new(), projected = new();
        using LowRankOptimizer one = Attach(whole, GradientFlow.Whole), other = Attach(projected, GradientFlow.Projected);

        for (var step = 0; step < 6; step++)
        {
            Window(whole, step, afterEach: () => one.accumulate());
            Window(projected, step);

            // The first step's gradients are whole ones there, and projected already here.
            var largest = step > 0 ? 0.05 : double.PositiveInfinity;
            var (expected, norm) = (one.clip_grad_norm_(largest), other.clip_grad_norm_(largest));
            if (step > 0)
                norm.Should().BeApproximately(expected, 1e-5 * expected).And.BeGreaterThan(largest);
            Step(whole, one);
            Step(projected, other);
        }

        Same(projected, whole, 1e-5);
    }

    /// <summary>It sees the gradients of norms and biases alone.</summary>
    [Fact]
    public void Clipping_by_torch_is_refused_before_a_step_like_the_one_before()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new();
        using var optimizer = Attach(model, GradientFlow.Projected);
        for (var step = 0; step < 3; step++)
        {
            Window(model, step);
            Step(model, optimizer);
        }

        Window(model, 3);
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3);
        var before = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.detach().clone());

        optimizer.Invoking(one => one.step()).Should().Throw<InvalidOperationException>()
            .WithMessage("*clip_grad_norm_*optimizer.clip_grad_norm_(max_norm)*Nothing was changed*");

        model.named_parameters().Should().OnlyContain(pair => pair.parameter.equal(before[pair.name]).all().ToBoolean());
        optimizer.zero_grad();
        Window(model, 3);
        optimizer.clip_grad_norm_(1e-3);
        optimizer.Invoking(one => one.step()).Should().NotThrow();
    }

    [Fact]
    public void One_gradient_that_is_scaled_by_itself_is_no_clipping()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new();
        using var optimizer = Attach(model, GradientFlow.Projected);
        Window(model, 0);
        Step(model, optimizer);
        Window(model, 1);
        model.get_parameter("norm.weight")!.grad!.mul_(0.1);

        optimizer.Invoking(one => one.step()).Should().NotThrow();
    }

    /// <summary>The second pass doubles all gradients.</summary>
    [Fact]
    public void Batch_that_comes_once_more_than_in_the_step_before_is_no_scaling()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new();
        using var optimizer = Attach(model, GradientFlow.Projected);
        for (var passes = 1; passes <= 3; passes++)
        {
            for (var pass = 0; pass < passes; pass++)
                model.Loss(0, 5).backward();

            optimizer.Invoking(one => one.step()).Should().NotThrow();
            optimizer.zero_grad();
        }
    }

    [Fact]
    public void Accumulate_does_no_harm()
    {
        using var scope = NewDisposeScope();
        using TappedModel plain = new(), accumulated = new();
        using LowRankOptimizer one = Attach(plain, GradientFlow.Projected), other = Attach(accumulated, GradientFlow.Projected);

        for (var step = 0; step < 4; step++)
        {
            Window(plain, step);
            Window(accumulated, step, afterEach: () => other.accumulate());
            Step(plain, one);
            Step(accumulated, other);
        }

        Same(accumulated, plain, 1e-6);
    }

    [Fact]
    public void Run_that_is_saved_within_a_window_goes_on_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), resumed = new();
        using LowRankOptimizer optimizer = Attach(model, GradientFlow.Projected), other = Attach(resumed, GradientFlow.Projected);
        for (var step = 0; step < 3; step++)
        {
            Window(model, step);
            Step(model, optimizer);
        }

        model.Loss(100, 12).backward();
        using var folder = new TemporaryDirectory();
        TrainingCheckpoint.Save(folder.Path, model, optimizer);
        TrainingCheckpoint.Load(folder.Path, resumed, other);
        foreach (var (one, trained) in new[] { (model, optimizer), (resumed, other) })
        {
            one.Loss(101, 12).backward();
            Step(one, trained);
        }

        foreach (var ((name, expected), (_, actual)) in model.named_parameters().Zip(resumed.named_parameters()))
            actual.data<float>().ToArray().Should().Equal(expected.data<float>().ToArray(), name);
    }

    /// <summary>What comes from the penalty is held. Zeros in its place would count as a part of the next gradient, and the run that goes on has
    /// none.</summary>
    [Fact]
    public void Run_with_a_penalty_on_weights_goes_on_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), resumed = new();
        var method = new OnlineSubspaceDescent { Rank = 4 };
        using LowRankOptimizer optimizer = Attach(model), other = Attach(resumed);
        for (var step = 0; step < 3; step++)
            Step(model, optimizer, step);

        using var folder = new TemporaryDirectory();
        TrainingCheckpoint.Save(folder.Path, model, optimizer);
        TrainingCheckpoint.Load(folder.Path, resumed, other);
        for (var step = 3; step < 6; step++)
        {
            Step(model, optimizer, step);
            Step(resumed, other, step);
        }

        foreach (var ((name, expected), (_, actual)) in model.named_parameters().Zip(resumed.named_parameters()))
            actual.data<float>().ToArray().Should().Equal(expected.data<float>().ToArray(), name);

        LowRankOptimizer Attach(TappedModel one) => method.Attach(one, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);

        static void Step(TappedModel one, LowRankOptimizer trained, int step)
        {
            trained.zero_grad();
            var penalty = one.get_parameter("wide.weight")!.square().sum();
            (penalty + one.Loss(step, 12)).backward();
            trained.step();
        }
    }

    [Fact]
    public void Window_that_zero_grad_drops_leaves_nothing_behind()
    {
        using var scope = NewDisposeScope();
        using TappedModel plain = new(), dropped = new();
        using LowRankOptimizer one = Attach(plain, GradientFlow.Projected), other = Attach(dropped, GradientFlow.Projected);

        for (var step = 0; step < 3; step++)
        {
            dropped.Loss(1000 + step, 12).backward();
            other.zero_grad();
            Window(plain, step);
            Window(dropped, step);
            Step(plain, one);
            Step(dropped, other);
        }

        Same(dropped, plain, 1e-6);
    }

    [Fact]
    public void Broken_gradient_changes_no_projected_weight_and_is_counted()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = Attach(model, GradientFlow.Projected);
        Window(model, 0);
        Step(model, optimizer);
        var before = model.parameters().Select(parameter => parameter.detach().clone()).ToArray();

        (model.Loss(1, 12) * double.NaN).backward();
        optimizer.step();

        optimizer.NonFiniteGradients.Should().Be(before.Length);
        foreach (var (was, parameter) in before.Zip(model.parameters()))
            parameter.equal(was).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Repeated_pass_of_activation_checkpointing_counts_once()
    {
        using var scope = NewDisposeScope();
        using TappedModel plain = new(), repeated = new();
        using LowRankOptimizer one = Attach(plain, GradientFlow.Projected), other = Attach(repeated, GradientFlow.Projected);

        for (var step = 0; step < 4; step++)
        {
            var input = Draw.Normal(6, TappedModel.Width, (ulong)step).to(ScalarType.Float32).requires_grad_();
            plain.call(input).square().mean().backward();
            Repeated.apply(input, repeated).square().mean().backward();
            Step(plain, one);
            Step(repeated, other);
        }

        Same(repeated, plain, 1e-5);
    }

    [Fact]
    public void Weights_in_8_bits_have_the_trajectory_of_whole_gradients()
    {
        using var scope = NewDisposeScope();
        using TappedModel whole = new(ScalarType.Float64), projected = new(ScalarType.Float64);
        var method = new QGaLore { Rank = 4, RefreshEvery = 5 };
        using var one = method.Attach(whole, Targets.AllLinear()).CreateOptimizer(0.01);
        using var other = method.Attach(projected, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);

        for (var step = 0; step < 12; step++)
        {
            whole.Loss(step, 12).backward();
            projected.Loss(step, 12).backward();
            projected.get_parameter("tall.weight")!.grad.Should().BeNull();
            Step(whole, one);
            Step(projected, other);
        }

        one.Session.Finish();
        other.Session.Finish();
        Same(projected, whole, 1e-9);
    }

    [Fact]
    public void Bfloat16_follows_whole_gradients_within_its_precision()
    {
        using var scope = NewDisposeScope();
        using TappedModel whole = new(ScalarType.BFloat16), projected = new(ScalarType.BFloat16);
        using LowRankOptimizer one = Attach(whole, GradientFlow.Whole), other = Attach(projected, GradientFlow.Projected);

        for (var step = 0; step < 20; step++)
        {
            whole.Loss(step, 12).backward();
            projected.Loss(step, 12).backward();
            Step(whole, one);
            Step(projected, other);
        }

        other.SkippedUpdates.Should().Be(0);
        Same(projected, whole, 0.05);
    }

    private static LowRankOptimizer Attach(TappedModel model, GradientFlow flow) => Method.Attach(model, Targets.AllLinear(), flow).CreateOptimizer(0.01, 0.1);

    private static void Window(TappedModel model, int step, Action? afterEach = null)
    {
        for (var part = 0; part < 3; part++)
        {
            (model.Loss(step * 3 + part, 12) / 3).backward();
            afterEach?.Invoke();
        }
    }

    private static void Step(TappedModel model, LowRankOptimizer optimizer)
    {
        optimizer.step();
        foreach (var parameter in model.parameters())
            parameter.grad = null;
    }

    private static void Same(TappedModel actual, TappedModel expected, double tolerance)
    {
        foreach (var ((name, one), (_, other)) in expected.named_parameters().Zip(actual.named_parameters()))
            Draw.Error(other.detach(), one.detach().to(ScalarType.Float64)).Should().BeLessThan(tolerance, name);
    }

    /// <summary>Keeps the input alone, and runs the module again in the backward pass.</summary>
    private sealed class Repeated : SingleTensorFunction<Repeated>
    {
        public override string Name => nameof(Repeated);

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            ctx.save_for_backward([(Tensor)vars[0]]);
            ctx.save_data("module", vars[1]);
            using var guard = no_grad();
            return ((TappedModel)vars[1]).call((Tensor)vars[0]);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            using var guard = enable_grad();
            var input = ctx.get_saved_variables()[0].detach().requires_grad_();
            ((TappedModel)ctx.get_data("module")).call(input).backward([grad_output]);
            return [input.grad!, null!];
        }
    }
}
