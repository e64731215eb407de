using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>Functions with a backward pass of their own: what they are given, what they may return, and on which thread.</summary>
public class AutogradTests
{
    [Fact]
    public void Backward_of_a_function_takes_part_in_the_graph_and_returns_null_for_what_is_no_tensor()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new float[] { 1, 2 }, requires_grad: true);

        var y = Cube.apply(x * 2, 0.5f);
        y.sum().backward();

        y.data<float>().ToArray().Should().Equal(4, 32);
        x.grad!.data<float>().ToArray().Should().Equal(12, 48);
    }

    [Fact]
    public void Without_gradients_the_forward_pass_runs_alone()
    {
        using var scope = NewDisposeScope();
        Cube.apply(ones(2), 1f).requires_grad.Should().BeFalse();
        using (no_grad())
            Cube.apply(ones(2, requires_grad: true), 1f).requires_grad.Should().BeFalse();
    }

    [Fact]
    public void Identity_sees_the_gradient_on_the_thread_that_called_backward()
    {
        using var scope = NewDisposeScope();
        var x = ones(3, requires_grad: true);

        (Tap.apply(x * 1) * 7).sum().backward();

        Tap.Seen.Should().Equal(7, 7, 7);
        Tap.Thread.Should().Be(Environment.CurrentManagedThreadId);
        x.grad!.data<float>().ToArray().Should().Equal(7, 7, 7);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gradients_are_on_within_backward_exactly_when_a_graph_of_it_is_asked_for(bool createGraph)
    {
        using var scope = NewDisposeScope();
        var x = ones(3, requires_grad: true);

        grad([Tap.apply(x * 1).square().sum()], [x], create_graph: createGraph);

        Tap.GradientsWereOn.Should().Be(createGraph);
    }

    [Fact]
    public void Backward_that_turns_gradients_off_loses_second_derivatives_without_a_word()
    {
        using var scope = NewDisposeScope();
        var x = tensor(3f, requires_grad: true);

        var first = grad([Cube.apply(x, 1f)], [x], create_graph: true)[0];
        var blind = grad([BlindCube.apply(x, 1f)], [x], create_graph: true)[0];

        grad([first], [x])[0].ToSingle().Should().Be(18);
        blind.ToSingle().Should().Be(27);
        blind.requires_grad.Should().BeFalse();
    }

    [Fact]
    public void Backward_may_run_a_graph_of_its_own()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new[] { 0.5f, 1 }, requires_grad: true);

        Recomputed.apply(x).sum().backward();

        x.grad!.allclose(x.detach().cos()).Should().BeTrue();
    }

    [Fact]
    public void Gradient_that_was_returned_may_be_disposed_afterwards()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, requires_grad: true);

        Tap.apply(x * 1).sum().backward();
        Tap.Returned!.Dispose();

        x.grad!.data<float>().ToArray().Should().Equal(1, 1);
    }

    [Fact]
    public void Gradients_of_several_backward_passes_are_added()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, requires_grad: true);

        x.sum().backward();
        (x * 2).sum().backward();

        x.grad!.data<float>().ToArray().Should().Equal(3, 3);
    }

    [Fact]
    public void Leaf_is_changed_in_place_without_gradients_only()
    {
        using var scope = NewDisposeScope();
        var x = zeros(2, requires_grad: true);

        x.Invoking(leaf => leaf.add_(1)).Should().Throw<System.Runtime.InteropServices.ExternalException>().WithMessage("*leaf*");
        using (no_grad())
            x.add_(1);

        x.sum().ToSingle().Should().Be(2);
    }

    private sealed class Cube : SingleTensorFunction<Cube>
    {
        public override string Name => nameof(Cube);

        public override Tensor forward(AutogradContext ctx, params object[] vars) => Cubed(ctx, vars);

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => Gradients(ctx, grad_output);

        internal static Tensor Cubed(AutogradContext ctx, object[] vars)
        {
            ctx.save_for_backward([(Tensor)vars[0]]);
            ctx.save_data("scale", vars[1]);
            return ((Tensor)vars[0]).pow(3) * (float)vars[1];
        }

        internal static List<Tensor> Gradients(AutogradContext ctx, Tensor grad_output)
        {
            var x = ctx.get_saved_variables()[0];
            return [grad_output * x * x * 3 * (float)ctx.get_data("scale"), null!];
        }
    }

    private sealed class BlindCube : SingleTensorFunction<BlindCube>
    {
        public override string Name => nameof(BlindCube);

        public override Tensor forward(AutogradContext ctx, params object[] vars) => Cube.Cubed(ctx, vars);

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            using var guard = no_grad();
            return Cube.Gradients(ctx, grad_output);
        }
    }

    private sealed class Tap : SingleTensorFunction<Tap>
    {
        [ThreadStatic] internal static float[]? Seen;
        [ThreadStatic] internal static Tensor? Returned;
        [ThreadStatic] internal static int Thread;
        [ThreadStatic] internal static bool GradientsWereOn;

        public override string Name => nameof(Tap);

        public override Tensor forward(AutogradContext ctx, params object[] vars) => ((Tensor)vars[0]).alias();

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            (Seen, Thread, GradientsWereOn) = (grad_output.detach().data<float>().ToArray(), Environment.CurrentManagedThreadId, is_grad_enabled());
            return [Returned = grad_output.alias()];
        }
    }

    /// <summary>Runs the body again in backward, with a graph of its own.</summary>
    private sealed class Recomputed : SingleTensorFunction<Recomputed>
    {
        public override string Name => nameof(Recomputed);

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            ctx.save_for_backward([(Tensor)vars[0]]);
            return ((Tensor)vars[0]).sin();
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            using var guard = enable_grad();
            var x = ctx.get_saved_variables()[0].detach().requires_grad_();
            x.sin().backward([grad_output]);
            return [x.grad!];
        }
    }
}
