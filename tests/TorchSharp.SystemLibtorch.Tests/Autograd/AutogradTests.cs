using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Autograd;

public sealed class AutogradTests
{
    private static float[] Values(Tensor t) => t.data<float>().ToArray();

    [Fact]
    public void Gradients_accumulate_and_can_be_dropped()
    {
        var w = tensor(new float[] { 1, 2 }, requires_grad: true);
        w.grad.Should().BeNull();
        (w * w).sum().backward();
        (w * w).sum().backward();
        Values(w.grad!).Should().Equal(4, 8);
        w.grad.Should().NotBeSameAs(w.grad, "every read makes an object");
        w.grad = null;
        w.grad.Should().BeNull();
        w.grad = ones(2);
        Values(w.grad!).Should().Equal(1, 1);
    }

    [Fact]
    public void Modes_nest_and_return()
    {
        var w = ones(1, requires_grad: true);
        using (no_grad())
        {
            is_grad_enabled().Should().BeFalse();
            (w * 2).requires_grad.Should().BeFalse();
            using (enable_grad()) (w * 2).requires_grad.Should().BeTrue();
            is_grad_enabled().Should().BeFalse();
        }
        is_grad_enabled().Should().BeTrue();
        using (inference_mode()) is_inference_mode_enabled().Should().BeTrue();
        is_inference_mode_enabled().Should().BeFalse();
        w.is_leaf.Should().BeTrue();
        (w * 2).is_leaf.Should().BeFalse();
        (w * 2).detach().requires_grad.Should().BeFalse();
    }

    [Fact]
    public void Grad_returns_derivatives_and_second_ones()
    {
        var x = tensor(3f, requires_grad: true);
        var first = autograd.grad([x * x * x], [x], create_graph: true)[0];
        first.ToSingle().Should().Be(27);
        autograd.grad([first], [x])[0].ToSingle().Should().Be(18);
        x.grad.Should().BeNull();
        var unused = autograd.grad([x * 2], [x, ones(1, requires_grad: true)], allow_unused: true);
        unused[1].IsInvalid.Should().BeTrue();
    }

    [Fact]
    public void Backward_takes_seeds_inputs_and_a_kept_graph()
    {
        var a = ones(2, requires_grad: true);
        var b = ones(2, requires_grad: true);
        var y = a * b;
        y.backward([tensor(new float[] { 1, 10 })], retain_graph: true, inputs: [a]);
        Values(a.grad!).Should().Equal(1, 10);
        b.grad.Should().BeNull();
        y.backward([ones(2)]);
        Values(b.grad!).Should().Equal(1, 1);
    }
}
