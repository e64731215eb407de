using static TorchSharp.torch.autograd;

namespace LowRankTraining.Layers;

/// <summary>Y = X Wᵀ + b for a weight that exists only while a product is computed.</summary>
/// <remarks>
/// ∂X = ∂Y W and ∂b = Σ ∂Y go back through the graph. ∂W = ∂Yᵀ X is added to the gradient of the weight's parameter right here: what a custom
/// function returns lives as a managed object until it is collected, and the largest tensors of a step must not.
/// </remarks>
internal sealed class Int8Product : AutogradFunction<Int8Product>
{
    private const string Layer = "layer";

    /// <param name="ctx">Keeps X and the layer, not the weight.</param>
    /// <param name="vars">X (N × n); the weight's parameter, which ties the product to the graph; the layer; b or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var (rows, layer) = ((Tensor)vars[0], (Int8Linear)vars[2]);
        ctx.save_for_backward([rows]);
        ctx.save_data(Layer, layer);

        using var weight = layer.EffectiveWeight();
        return nn.functional.linear(rows, weight, vars.Length > 3 ? (Parameter)vars[3] : null);
    }

    protected override string RefusalOfSecondDerivatives =>
        "Weights in 8 bits take their gradient in the backward pass itself, which therefore has no derivative (create_graph: true): " +
        "train such a loss with QuantizesWeights = false.";

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        var layer = (Int8Linear)ctx.get_data(Layer);
        Tensor? input = null;
        if (IsAsked(ctx, 0))
        {
            using var weight = layer.EffectiveWeight();
            input = output.mm(weight);
        }

        var gradients = WithBias(ctx, output, input, null, null);

        // Last, since it may change the weight.
        using var rows = ctx.get_saved_variables()[0];
        layer.Sink.Receive(layer.weight, output, rows);
        return gradients;
    }
}
