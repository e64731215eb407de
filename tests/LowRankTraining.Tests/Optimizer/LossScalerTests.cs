using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Gradients;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>A loss that is multiplied so that small gradients do not vanish.</summary>
public class LossScalerTests
{
    private static readonly GaLore Method = new() { Rank = 4, RefreshEvery = 5 };

    /// <summary>Numbers of the documentation of torch.amp.GradScaler, with an interval of 3: back-off at once, growth after three good steps in a
    /// row.</summary>
    [Fact]
    public void Scale_backs_off_and_grows_as_that_of_PyTorch()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(ones(2, 2));
        using var optimizer = Recipe.Of("descent", new SgdRule()).Attach([("weight", weight)]).CreateOptimizer(0.1);
        var scaler = new LossScaler(growth_interval: 3);
        var scales = new List<double>();

        foreach (var isGood in new[] { true, false, true, true, false, true, true, true, true })
        {
            optimizer.zero_grad();
            weight.grad = full([2, 2], isGood ? 1f : float.PositiveInfinity);
            scaler.step(optimizer).Should().Be(isGood);
            scales.Add(scaler.CurrentScale);
        }

        scales.Should().Equal(65536, 32768, 32768, 32768, 16384, 16384, 16384, 32768, 32768);
        scaler.GoodSteps.Should().Be(1);
        optimizer.CompletedSteps.Should().Be(7);
    }

    /// <summary>A power of two is taken out of float32 without a rounding.</summary>
    [Theory]
    [InlineData(GradientFlow.Whole, false)]
    [InlineData(GradientFlow.Projected, false)]
    [InlineData(GradientFlow.Whole, true)]
    [InlineData(GradientFlow.Projected, true)]
    public void Trajectory_is_bit_for_bit_that_of_the_loss_itself(GradientFlow flow, bool clips)
    {
        using var scope = NewDisposeScope();
        using TappedModel plain = new(), scaled = new();
        using var one = Method.Attach(plain, Targets.AllLinear(), flow).CreateOptimizer(0.01, 0.1);
        using var other = Method.Attach(scaled, Targets.AllLinear(), flow).CreateOptimizer(0.01, 0.1);
        var scaler = new LossScaler(1024, growth_interval: 4);

        for (var step = 0; step < 12; step++)
        {
            one.zero_grad();
            plain.Loss(step, 12).backward();
            if (clips)
                one.clip_grad_norm_(0.05);
            one.step();

            other.zero_grad();
            scaler.scale(scaled.Loss(step, 12)).backward();
            if (clips)
            {
                scaler.unscale_(other);
                other.clip_grad_norm_(0.05);
            }

            scaler.step(other).Should().BeTrue();
        }

        scaler.CurrentScale.Should().Be(8192);
        foreach (var ((name, expected), (_, actual)) in plain.named_parameters().Zip(scaled.named_parameters()))
            actual.data<float>().ToArray().Should().Equal(expected.data<float>().ToArray(), name);
    }

    [Fact]
    public void Small_gradients_in_float16_survive()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(2, 2, ScalarType.Float16));
        using var optimizer = Recipe.Of("descent", new SgdRule()).Attach([("weight", weight)]).CreateOptimizer(1e6);
        var scaler = new LossScaler();
        weight.grad = full([2, 2], 1e-8 * 65536, ScalarType.Float16);

        scaler.step(optimizer);

        weight.to(ScalarType.Float32)[0, 0].ToSingle().Should().BeApproximately(-0.01f, 1e-5f);
    }

    /// <summary>Nothing of the gradient is held but what overflows: δ is 1e30 and the input 1e20.</summary>
    [Theory]
    [InlineData(GradientFlow.Whole)]
    [InlineData(GradientFlow.Projected)]
    public void Gradient_that_overflows_leaves_the_step_out(GradientFlow flow)
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(nn.Linear(8, 6, hasBias: false));
        using var optimizer = Method.Attach(model, Targets.AllLinear(), flow).CreateOptimizer(0.01);
        var scaler = new LossScaler(1e30);
        var before = model.parameters().Single().detach().clone();

        scaler.scale(model.call(full([3, 8], 1e20)).sum()).backward();
        scaler.step(optimizer).Should().BeFalse();
        (scaler.CurrentScale, optimizer.CompletedSteps).Should().Be((5e29, 0));
        model.parameters().Single().equal(before).all().ToBoolean().Should().BeTrue();

        optimizer.zero_grad();
        scaler.scale(model.call(ones(3, 8)).sum()).backward();
        scaler.step(optimizer).Should().BeTrue();
        model.parameters().Single().isfinite().all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Step_that_is_left_out_leaves_nothing_of_its_window_behind()
    {
        using var scope = NewDisposeScope();
        using TappedModel broken = new(), without = new();
        using var one = Method.Attach(broken, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        using var other = Method.Attach(without, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(0.01);
        var scaler = new LossScaler(2);

        for (var step = 0; step < 4; step++)
        {
            if (step == 2)
            {
                scaler.scale(broken.Loss(99, 12)).backward();
                broken.get_parameter("norm.weight")!.grad!.fill_(float.NaN);
                scaler.step(one).Should().BeFalse();
            }

            one.zero_grad();
            scaler.scale(broken.Loss(step, 12)).backward();
            scaler.step(one);
            other.zero_grad();
            without.Loss(step, 12).backward();
            other.step();
        }

        foreach (var ((name, expected), (_, actual)) in without.named_parameters().Zip(broken.named_parameters()))
            actual.data<float>().ToArray().Should().Equal(expected.data<float>().ToArray(), name);
    }

    [Fact]
    public void Second_unscaling_and_updates_in_the_backward_pass_are_refused()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), stepped = new();
        using var optimizer = Method.Attach(model).CreateOptimizer();
        using var early = new Fira { Rank = 4 }.Attach(stepped, gradients: GradientFlow.Stepped).CreateOptimizer();
        var scaler = new LossScaler();
        scaler.unscale_(optimizer);

        scaler.Invoking(s => s.unscale_(optimizer)).Should().Throw<InvalidOperationException>().WithMessage("*unscaled already*");
        scaler.Invoking(s => s.step(early)).Should().Throw<NotSupportedException>().WithMessage("*LossScaler comes too late*Projected or Whole*");
    }

    [Theory]
    [InlineData(0, 2, 0.5, 1)]
    [InlineData(double.PositiveInfinity, 2, 0.5, 1)]
    [InlineData(1, 1, 0.5, 1)]
    [InlineData(1, 2, 1, 1)]
    [InlineData(1, 2, 0, 1)]
    [InlineData(1, 2, 0.5, 0)]
    public void Numbers_out_of_range_are_refused(double scale, double growth, double backoff, long interval) =>
        FluentActions.Invoking(() => new LossScaler(scale, growth, backoff, interval)).Should().Throw<ArgumentOutOfRangeException>();

    [Fact]
    public void Scaler_goes_on_where_another_was()
    {
        var scaler = new LossScaler();
        scaler.ResumeAt(4096, 17);
        (scaler.CurrentScale, scaler.GoodSteps).Should().Be((4096, 17));
        scaler.Invoking(s => s.ResumeAt(0, 0)).Should().Throw<ArgumentOutOfRangeException>();
    }
}
