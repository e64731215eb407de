namespace LowRankTraining;

/// <summary>A linear layer.</summary>
internal sealed class TappedLinear(Linear layer, GradientSink sink) : TappedLayer(layer, sink)
{
    protected override Parameter Weight => layer.weight;

    protected override Tensor Apply(Tensor input, Tensor output, GradientSink sink)
    {
        var (weight, bias, computed) = (layer.weight, layer.bias, new TappedOutput(output));
        using var tap = GradientTap.Of(weight, input, output.shape, new(sink, weight));
        return bias is null ? TappedProduct.apply(input, tap, weight, computed) : TappedProduct.apply(input, tap, weight, computed, bias);
    }
}
