using FluentAssertions;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace TorchSharp.SystemLibtorch.Tests.Autograd;

public sealed class FunctionTests
{
    private sealed class Cube : SingleTensorFunction<Cube>
    {
        public override string Name => nameof(Cube);

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            ctx.save_for_backward([x]);
            ctx.save_data("scale", vars[1]);
            return x.pow(3) * (float)vars[1];
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var x = ctx.get_saved_variables()[0];
            return [grad_output * x * x * 3 * (float)ctx.get_data("scale"), null!];
        }
    }

    private sealed class Tap : SingleTensorFunction<Tap>
    {
        [ThreadStatic] internal static Tensor? Seen;

        public override string Name => nameof(Tap);
        public override Tensor forward(AutogradContext ctx, params object[] vars) => ((Tensor)vars[0]).alias();

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            Seen = grad_output;
            return [grad_output];
        }
    }

    private sealed class Broken : SingleTensorFunction<Broken>
    {
        public override string Name => nameof(Broken);
        public override Tensor forward(AutogradContext ctx, params object[] vars) => (Tensor)vars[0] * 2;
        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => throw new NotSupportedException("no way back");
    }

    private sealed class TooFew : SingleTensorFunction<TooFew>
    {
        public override string Name => nameof(TooFew);
        public override Tensor forward(AutogradContext ctx, params object[] vars) => (Tensor)vars[0] * (Tensor)vars[1];
        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => [grad_output];
    }

    private sealed class Halves : MultiTensorFunction<Halves>
    {
        public override string Name => nameof(Halves);

        public override List<Tensor> forward(AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            return [x[..2] * 1, x[2..] * 1];
        }

        public override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs) => [cat([grad_outputs[0], grad_outputs[1]])];
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

    [Fact]
    public void A_custom_backward_takes_part_in_the_graph()
    {
        var x = tensor(new float[] { 1, 2 }, requires_grad: true);
        var y = Cube.apply(x * 2, 0.5f);
        y.data<float>().ToArray().Should().Equal(4, 32);
        y.sum().backward();
        x.grad!.data<float>().ToArray().Should().Equal(12, 48);
    }

    [Fact]
    public void Without_gradients_the_forward_runs_alone()
    {
        Cube.apply(ones(2), 1f).requires_grad.Should().BeFalse();
        using (no_grad()) Cube.apply(ones(2, requires_grad: true), 1f).requires_grad.Should().BeFalse();
    }

    [Fact]
    public void An_identity_lets_the_gradient_be_seen_and_kept()
    {
        var x = ones(3, requires_grad: true);
        (Tap.apply(x * 1) * 7).sum().backward();
        Tap.Seen!.data<float>().ToArray().Should().Equal(7, 7, 7);
        x.grad!.data<float>().ToArray().Should().Equal(7, 7, 7);
    }

    [Fact]
    public void An_exception_in_backward_arrives_where_backward_was_called()
    {
        var x = ones(2, requires_grad: true);
        var loss = Broken.apply(x).sum();
        loss.Invoking(l => l.backward()).Should().Throw<NotSupportedException>().WithMessage("no way back")
            .Which.StackTrace.Should().Contain(nameof(Broken));
        (x * 2).sum().backward();
        x.grad!.data<float>().ToArray().Should().Equal(2, 2);
    }

    [Fact]
    public void A_missing_gradient_is_named()
    {
        var loss = TooFew.apply(ones(2, requires_grad: true), ones(2)).sum();
        loss.Invoking(l => l.backward()).Should().Throw<InvalidOperationException>().WithMessage("*TooFew*1 gradients for 2*");
    }

    [Fact]
    public void An_output_that_nobody_used_brings_zeros()
    {
        var x = ones(4, requires_grad: true);
        var halves = Halves.apply(x);
        (halves[0] * 3).sum().backward();
        x.grad!.data<float>().ToArray().Should().Equal(3, 3, 0, 0);
    }

    [Fact]
    public void Backward_may_run_a_graph_of_its_own()
    {
        var x = tensor(new[] { 0.5f, 1 }, requires_grad: true);
        Recomputed.apply(x).sum().backward();
        x.grad!.allclose(x.detach().cos()).Should().BeTrue();
    }
}
