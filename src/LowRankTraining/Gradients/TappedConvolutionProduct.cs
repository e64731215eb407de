using static TorchSharp.torch.autograd;

namespace LowRankTraining;

/// <summary>What a convolution has computed, with a backward pass in which the weight's gradient goes to a <see cref="GradientSink"/>.</summary>
/// <remarks>With one row for each place of the output, G = δᵀ x as for a linear layer, x the unfolded input. A few samples at a time are unfolded: as many as
/// take no more than the gradient would, or one. ∂x is the transposed convolution of δ, and ∂b = Σ δ.</remarks>
internal sealed class TappedConvolutionProduct : AutogradFunction<TappedConvolutionProduct>
{
    private const string Tap = "tap";

    /// <param name="ctx">Keeps x and W, and finds out in the backward pass whether they have been changed in place.</param>
    /// <param name="vars">x (samples × channels × height × width); W, which ties the product to the graph where x is not in it; what is known of the layer; b
    /// or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var (input, weight, call) = ((Tensor)vars[0], (Tensor)vars[1], (TappedConvolutionCall)vars[2]);
        ctx.save_for_backward([input, weight]);
        ctx.save_data(Tap, call with { Layer = call.Layer with { Output = null } });
        return call.Layer.Output!.detach();
    }

    protected override string RefusalOfSecondDerivatives => TappedProduct.NoSecondDerivatives;

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        var call = (TappedConvolutionCall)ctx.get_data(Tap);
        var saved = ctx.get_saved_variables();
        var (input, weight) = (saved[0], saved[1]);

        // A single sample comes without an axis of its own.
        var (samples, delta) = input.dim() == 3 ? (input.unsqueeze(0), output.unsqueeze(0)) : (input, output);
        var gradients = WithBias(ctx, delta, IsAsked(ctx, 0) ? call.OfInput(delta, weight, samples).reshape(input.shape) : null, null, null);

        // Last, since it may change the weight.
        Send(call, delta, samples, weight.size(0));
        saved.ForEach(tensor => tensor.Dispose());
        return gradients;
    }

    private static void Send(TappedConvolutionCall call, Tensor delta, Tensor samples, long channels)
    {
        var layer = call.Layer;
        var (count, places) = (samples.size(0), delta.size(2) * delta.size(3));
        var together = Math.Clamp(channels / Math.Max(1, places), 1, Math.Max(1, count));
        for (var others = together; others < count; others += together)
            layer.Sink.Expect();

        for (long first = 0; first < count; first += together)
        {
            using var scope = NewDisposeScope();
            var number = Math.Min(together, count - first);
            var outputs = delta.narrow(0, first, number).flatten(2).transpose(1, 2).reshape(number * places, channels);
            layer.Sink.Receive(layer.Weight, outputs, call.Unfolded(samples.narrow(0, first, number)));
        }
    }
}

/// <summary>One pass through a convolution.</summary>
internal sealed record TappedConvolutionCall(TappedCall Layer, long[] Kernel, long[] Stride, long[] Padding, long[] Dilation)
{
    /// <summary>x with a row for each place of the output, and a column for each channel and place of the kernel.</summary>
    public Tensor Unfolded(Tensor samples)
    {
        var columns = nn.functional.unfold(samples, Pair(Kernel), Pair(Dilation), Pair(Padding), Pair(Stride));
        return columns.transpose(1, 2).reshape(-1, columns.size(1));
    }

    /// <summary>∂x.</summary>
    public Tensor OfInput(Tensor delta, Tensor weight, Tensor samples)
    {
        long[] missing = [Missing(0, delta, samples), Missing(1, delta, samples)];
        return nn.functional.conv_transpose2d(delta, weight, strides: Stride, padding: Padding, output_padding: missing, dilation: Dilation);
    }

    /// <summary>Rows or columns at the end of the input that no place of the output has reached.</summary>
    private long Missing(int axis, Tensor delta, Tensor samples) => samples.size(2 + axis)
        - ((delta.size(2 + axis) - 1) * Stride[axis] - 2 * Padding[axis] + Dilation[axis] * (Kernel[axis] - 1) + 1);

    private static (long, long) Pair(long[] numbers) => (numbers[0], numbers[1]);
}
