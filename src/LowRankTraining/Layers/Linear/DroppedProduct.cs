using static TorchSharp.torch.autograd;

namespace LowRankTraining.Layers;

/// <summary>h = s (M ∘ x) Aᵀ for a random mask M that exists only while a product is computed.</summary>
/// <remarks>∂A = s ∂hᵀ (M ∘ x) and ∂x = s M ∘ (∂h A). Kept for the backward pass: x, which a frozen weight's product does not keep, and A.</remarks>
internal sealed class DroppedProduct : AutogradFunction<DroppedProduct>
{
    private const string Dropping = "dropping";

    /// <summary>The mask of one pass, and s.</summary>
    public sealed record Pass(DropoutMask Mask, ulong Key, double Scale)
    {
        public Tensor Apply(Tensor x) => Mask.Apply(x, Key);
    }

    /// <param name="ctx">Keeps x and A.</param>
    /// <param name="vars">x (N × n); A (r × n); the <see cref="Pass"/>.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var (x, a, pass) = ((Tensor)vars[0], (Tensor)vars[1], (Pass)vars[2]);
        ctx.save_for_backward([x, a]);
        ctx.save_data(Dropping, pass);

        using var kept = pass.Apply(x);
        using var transposed = a.t();
        return kept.mm(transposed).mul_(pass.Scale);
    }

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        var pass = (Pass)ctx.get_data(Dropping);
        var saved = Saved(ctx);
        var (x, a) = (saved[0], saved[1]);

        return [IsAsked(ctx, 0) ? OfInput(output, a, pass) : null, IsAsked(ctx, 1) ? OfFactor(output, x, pass) : null, null];
    }

    private static Tensor OfInput(Tensor hidden, Tensor a, Pass pass)
    {
        using var full = hidden.mm(a);
        return pass.Apply(full).mul_(pass.Scale);
    }

    private static Tensor OfFactor(Tensor hidden, Tensor x, Pass pass)
    {
        using var kept = pass.Apply(x);
        using var transposed = hidden.t();
        return transposed.mm(kept).mul_(pass.Scale);
    }
}
