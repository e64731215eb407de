namespace LowRankTraining;

/// <summary>A linear layer.</summary>
internal sealed class TappedLinear(Linear layer, GradientSink sink) : TappedLayer(layer, sink)
{
    protected override Parameter Weight => layer.weight;

    protected override Tensor Apply(Tensor input, Tensor output, GradientSink sink)
    {
        var (weight, bias) = (layer.weight, layer.bias);
        var call = new TappedCall(sink, weight, output);
        return bias is null ? TappedProduct.apply(input, weight, call) : TappedProduct.apply(input, weight, call, bias);
    }
}
