namespace LowRankTraining;

/// <summary>A convolution in two dimensions, whose weight m × c × k × k′ is one of m × c k k′ for the unfolded input.</summary>
internal sealed class TappedConvolution(Conv2d layer, GradientSink sink) : TappedLayer(layer, sink)
{
    /// <summary>Output channels from which it pays to unfold the input: what is saved grows with them, and unfolding costs the same for any number.</summary>
    internal const long LeastChannels = 256;

    protected override Parameter Weight => layer.weight;

    /// <summary>Why the gradient of its weight cannot be taken as it arises, or why that would cost more than it saves; or null.</summary>
    public static string? ObjectionTo(Conv2d layer) => layer switch
    {
        { groups: > 1 } => "the convolution has groups, whose channels see different inputs",
        { padding_mode: not PaddingModes.Zeros } => $"the convolution pads by {layer.padding_mode}, and not by zeros",
        { padding: null } or { padding_type: not null } => $"the convolution's padding is {layer.padding_type}, and not a number",
        _ when layer.out_channels < LeastChannels && layer.kernel_size.Any(side => side > 1) =>
            $"the convolution has fewer than {LeastChannels} output channels, for which unfolding its input costs more than it saves",
        _ => null,
    };

    protected override Tensor Apply(Tensor input, Tensor output, GradientSink sink)
    {
        var (weight, bias, computed) = (layer.weight, layer.bias, new TappedOutput(output));
        var shape = new ConvolutionShape(input.shape, layer.kernel_size, layer.stride, layer.padding!, layer.dilation);
        using var tap = GradientTap.Of(weight, input, output.shape, new ConvolutionPass(sink, weight, shape));
        return bias is null
            ? TappedConvolutionProduct.apply(input, tap, weight, computed, shape)
            : TappedConvolutionProduct.apply(input, tap, weight, computed, shape, bias);
    }
}
