using static TorchSharp.torch.autograd;

namespace LowRankTraining.Layers;

/// <summary>Y = X (W + s B A)ᵀ + b for a frozen W: the sum is made for one product in forward, and once more in backward.</summary>
/// <remarks>
/// <para>∂X = ∂Y (W + s B A), ∂A = s (∂Y B)ᵀ X, ∂B = s ∂Yᵀ (X Aᵀ), ∂b = Σ ∂Y. Kept for the backward pass: X, and nothing of the size of W.</para>
/// <para>Operations for N rows: 4 N m n + 4 N r (m + n) + 4 m n r. With the factors beside the weight it is 4 N m n + 6 N r (m + n), which is more as soon as N
/// is above 2 m n / (m + n).</para>
/// </remarks>
internal sealed class MergedProduct : AutogradFunction<MergedProduct>
{
    private const string Scale = "scale";

    /// <summary>From how many rows on this is less work than factors beside the weight, and as exact: never in half precision, where the sum would be rounded,
    /// and small changes of the weight with it.</summary>
    public static long RowsFor(Tensor weight)
    {
        long m = weight.shape[0], n = weight.shape[1];
        return weight.dtype is ScalarType.Float32 or ScalarType.Float64 && !weight.requires_grad ? 2 * m * n / (m + n) + 1 : long.MaxValue;
    }

    /// <param name="ctx">Keeps X, W, A and B.</param>
    /// <param name="vars">X (N × n); W (m × n); A (r × n); B (m × r); s; b or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var (rows, weight, a, b, scale) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (Tensor)vars[3], (double)vars[4]);
        ctx.save_for_backward([rows, weight, a, b]);
        ctx.save_data(Scale, scale);

        using var sum = Sum(weight, a, b, scale);
        return nn.functional.linear(rows, sum, vars.Length > 5 ? (Parameter)vars[5] : null);
    }

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        var saved = Saved(ctx);
        var (rows, weight, a, b) = (saved[0], saved[1], saved[2], saved[3]);
        var scale = (double)ctx.get_data(Scale);
        var input = IsAsked(ctx, 0) ? OfInput(output, weight, a, b, scale) : null;
        return WithBias(ctx, output, input, null, OfA(output, rows, b, scale), OfB(output, rows, a, scale), null);
    }

    private static Tensor OfInput(Tensor output, Tensor weight, Tensor a, Tensor b, double scale)
    {
        using var sum = Sum(weight, a, b, scale);
        return output.mm(sum);
    }

    private static Tensor OfA(Tensor output, Tensor rows, Tensor b, double scale)
    {
        using var hidden = output.mm(b).mul_(scale);
        using var transposed = hidden.t();
        return transposed.mm(rows);
    }

    private static Tensor OfB(Tensor output, Tensor rows, Tensor a, double scale)
    {
        using var transposed = a.t();
        using var hidden = rows.mm(transposed).mul_(scale);
        using var outputs = output.t();
        return outputs.mm(hidden);
    }

    private static Tensor Sum(Tensor weight, Tensor a, Tensor b, double scale)
    {
        using var scaled = b.mul(scale);
        return addmm(weight, scaled, a, 1, 1);
    }
}
