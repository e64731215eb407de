using static TorchSharp.torch.autograd;

namespace LowRankTraining;

/// <summary>What a convolution has computed, with a backward pass in which the weight's gradient goes by a <see cref="GradientTap"/>.</summary>
/// <remarks>∂x is the transposed convolution of δ, and ∂b = Σ δ.</remarks>
internal sealed class TappedConvolutionProduct : AutogradFunction<TappedConvolutionProduct>
{
    private const string Shape = "shape";

    /// <param name="ctx">Keeps W, and finds out in the backward pass whether it has been changed in place.</param>
    /// <param name="vars">x (samples × channels × height × width); the tap; W; y; what is known of the layer; b or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        ctx.save_for_backward([(Tensor)vars[2]]);
        ctx.save_data(Shape, vars[4]);
        return ((TappedOutput)vars[3]).Computed.detach();
    }

    protected override string RefusalOfSecondDerivatives => GradientTap.NoSecondDerivatives;

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        using var weight = Saved(ctx)[0];
        var shape = (ConvolutionShape)ctx.get_data(Shape);
        var delta = ConvolutionShape.Samples(output);
        return WithBias(ctx, delta, IsAsked(ctx, 0) ? shape.OfInput(delta, weight) : null, output.alias(), null, null, null);
    }
}

/// <summary>One pass through a convolution.</summary>
/// <remarks>With one row for each place of the output, G = δᵀ x as for a linear layer, x the unfolded input. A few samples at a time are unfolded: as many as
/// take no more than the gradient would, or one.</remarks>
internal sealed record ConvolutionPass(GradientSink Sink, Parameter Weight, ConvolutionShape Shape) : TappedPass(Sink, Weight)
{
    public override void Send(Tensor delta, Tensor input)
    {
        var (outputs, samples) = (ConvolutionShape.Samples(delta), ConvolutionShape.Samples(input));
        var (count, channels, places) = (samples.size(0), outputs.size(1), outputs.size(2) * outputs.size(3));
        var together = Math.Clamp(channels / Math.Max(1, places), 1, Math.Max(1, count));
        for (var others = together; others < count; others += together)
            Sink.Expect();

        for (long first = 0; first < count; first += together)
        {
            using var scope = NewDisposeScope();
            var number = Math.Min(together, count - first);
            var rows = outputs.narrow(0, first, number).flatten(2).transpose(1, 2).reshape(number * places, channels);
            Sink.Receive(Weight, rows, Shape.Unfolded(samples.narrow(0, first, number)));
        }
    }
}

/// <summary>The numbers of a convolution.</summary>
internal sealed record ConvolutionShape(long[] Input, long[] Kernel, long[] Stride, long[] Padding, long[] Dilation)
{
    /// <summary>With an axis for samples, without which a single one may come.</summary>
    public static Tensor Samples(Tensor tensor) => tensor.dim() == 3 ? tensor.unsqueeze(0) : tensor;

    /// <summary>x with a row for each place of the output, and a column for each channel and place of the kernel.</summary>
    public Tensor Unfolded(Tensor samples)
    {
        var columns = nn.functional.unfold(samples, Pair(Kernel), Pair(Dilation), Pair(Padding), Pair(Stride));
        return columns.transpose(1, 2).reshape(-1, columns.size(1));
    }

    /// <summary>∂x.</summary>
    public Tensor OfInput(Tensor delta, Tensor weight)
    {
        long[] missing = [Missing(0, delta), Missing(1, delta)];
        return nn.functional.conv_transpose2d(delta, weight, strides: Stride, padding: Padding, output_padding: missing, dilation: Dilation).reshape(Input);
    }

    /// <summary>Rows or columns at the end of the input that no place of the output has reached.</summary>
    private long Missing(int axis, Tensor delta) => Input[^(2 - axis)]
        - ((delta.size(2 + axis) - 1) * Stride[axis] - 2 * Padding[axis] + Dilation[axis] * (Kernel[axis] - 1) + 1);

    private static (long, long) Pair(long[] numbers) => (numbers[0], numbers[1]);
}
