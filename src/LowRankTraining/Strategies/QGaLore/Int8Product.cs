using static TorchSharp.torch.autograd;

namespace LowRankTraining.Layers;

/// <summary>Y = X Wᵀ + b for a weight that exists only while a product is computed.</summary>
/// <remarks>
/// ∂X = ∂Y W and ∂b = Σ ∂Y go back through the graph. ∂W = ∂Yᵀ X goes by a <see cref="GradientTap"/>: what a custom function returns lives as a managed object
/// until it is collected, and the largest tensors of a step must not.
/// </remarks>
internal sealed class Int8Product : AutogradFunction<Int8Product>
{
    private const string Layer = "layer";

    /// <param name="ctx">Keeps the layer, not the weight.</param>
    /// <param name="vars">X (N × n); the tap; the layer; b or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var layer = (Int8Linear)vars[2];
        ctx.save_data(Layer, layer);

        using var weight = layer.EffectiveWeight();
        return nn.functional.linear((Tensor)vars[0], weight, vars.Length > 3 ? (Parameter)vars[3] : null);
    }

    protected override string RefusalOfSecondDerivatives =>
        "Weights in 8 bits take their gradient in the backward pass itself, which therefore has no derivative (create_graph: true): " +
        "train such a loss with QuantizesWeights = false.";

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        Tensor? input = null;
        if (IsAsked(ctx, 0))
        {
            using var weight = ((Int8Linear)ctx.get_data(Layer)).EffectiveWeight();
            input = output.mm(weight);
        }

        return WithBias(ctx, output, input, IsAsked(ctx, 1) ? output.alias() : null, null);
    }
}
