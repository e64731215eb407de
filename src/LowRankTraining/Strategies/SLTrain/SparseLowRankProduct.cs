using static TorchSharp.torch.autograd;

namespace LowRankTraining.Strategies;

/// <summary>Y = X Wᵀ + b for a weight W = s B A + S that exists only while a product is computed.</summary>
/// <remarks>
/// Backward, with G = ∂Yᵀ X: ∂X = ∂Y W, ∂A = s Bᵀ G, ∂B = s G Aᵀ, ∂v = G on the support, ∂b = Σ ∂Y. W is made again for ∂X and freed before G is
/// made: scratch is one matrix. What nobody asks for is not computed.
/// </remarks>
internal sealed class SparseLowRankProduct : AutogradFunction<SparseLowRankProduct>
{
    private const string Layer = "layer";

    /// <param name="ctx">Keeps X, A, B, v and the layer, which knows the support; not the weight.</param>
    /// <param name="vars">X (N × n), A, B, v, the layer; b or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var (rows, layer) = ((Tensor)vars[0], (SparseLowRankLinear)vars[4]);
        var parts = new SparseLowRankParts((Tensor)vars[1], (Tensor)vars[2], (Tensor)vars[3]);
        ctx.save_for_backward([rows, parts.A, parts.B, parts.Values]);
        ctx.save_data(Layer, layer);

        using var weight = layer.Rebuild(parts);
        return nn.functional.linear(rows, weight, vars.Length > 5 ? (Tensor)vars[5] : null);
    }

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        var saved = Saved(ctx);
        var (rows, parts) = (saved[0], new SparseLowRankParts(saved[1], saved[2], saved[3]));
        var layer = (SparseLowRankLinear)ctx.get_data(Layer);
        var indices = layer.Indices();

        Tensor? input = null, a = null, b = null, values = null;
        if (IsAsked(ctx, 0))
        {
            using var weight = SparseLowRank.Weight(parts, indices, layer.Scale);
            input = output.mm(weight);
        }

        var (asksA, asksB, asksValues) = (IsAsked(ctx, 1), IsAsked(ctx, 2), IsAsked(ctx, 3));
        if (asksA || asksB || asksValues)
        {
            using var gradient = output.t().mm(rows);
            a = asksA ? SparseLowRank.GradientOfA(gradient, parts.B, layer.Scale) : null;
            b = asksB ? SparseLowRank.GradientOfB(gradient, parts.A, layer.Scale) : null;
            values = asksValues ? SparseLowRank.OnSupport(gradient, indices) : null;
        }

        return WithBias(ctx, output, input, a, b, values, null);
    }
}
