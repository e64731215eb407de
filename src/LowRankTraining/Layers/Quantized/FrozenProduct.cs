using static TorchSharp.torch.autograd;

namespace LowRankTraining.Layers;

/// <summary>Y = X Wᵀ + b for a frozen weight that exists only while a product is computed: once in forward, once more in backward for ∂X = ∂Y W.</summary>
/// <remarks>Nothing is saved: ∂X needs no more than ∂Y and the codes. ∂b = Σ ∂Y.</remarks>
internal sealed class FrozenProduct : AutogradFunction<FrozenProduct>
{
    private const string Layer = "layer";

    /// <param name="ctx">Keeps the layer.</param>
    /// <param name="vars">X (N × n); the layer; b or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var (rows, layer) = ((Tensor)vars[0], (QuantizedLowRankLinear)vars[1]);
        ctx.save_data(Layer, layer);

        using var weight = layer.BaseWeight();
        return nn.functional.linear(rows, weight, vars.Length > 2 ? (Parameter)vars[2] : null);
    }

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        if (!IsAsked(ctx, 0))
            return WithBias(ctx, output, null, null);

        using var weight = ((QuantizedLowRankLinear)ctx.get_data(Layer)).BaseWeight();
        return WithBias(ctx, output, output.mm(weight), null);
    }
}
