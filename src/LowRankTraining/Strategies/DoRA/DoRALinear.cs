namespace LowRankTraining.Strategies;

/// <summary>A linear layer whose frozen weight is turned by trainable low-rank factors, and whose rows get trainable lengths.</summary>
/// <remarks>
/// <para>y = x W′ᵀ + b with W′ = diag(m / c) (W + s B A) and c = ‖W + s B A‖ of every row; x (..., n), W m × n, A r × n, B m × r, m and c m entries.
/// A starts uniform in ±1/√n, B at zero and m at ‖W‖, so the layer starts as the plain one that it was made from.</para>
/// <para>c is a constant to the backward pass unless asked otherwise. It is found from products of the size m × r: neither B A nor W′ is ever made.</para>
/// <para>In the state dict: <c>weight</c>, <c>bias</c>, <c>lora_A</c>, <c>lora_B</c>, <c>lora_magnitude_vector</c>.</para>
/// <para>Source: Liu et al., DoRA, arXiv 2402.09353, equations 5 to 7 and section 4.3.</para>
/// </remarks>
internal sealed class DoRALinear : FactorLayer
{
    private const string MagnitudeName = "lora_magnitude_vector";

    private readonly bool _normGradient;

    /// <summary>Puts factors and magnitudes beside a linear layer, whose weight (frozen from now on) and bias it shares.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Rank, scale or dropout out of range.</exception>
    public DoRALinear(Linear source, int rank, double scale = 1, double dropout = 0, ulong key = 0, bool normGradient = false)
        : base(nameof(DoRALinear), source, rank, scale, dropout, key)
    {
        _normGradient = normGradient;
        using var guard = no_grad();

        // By the formula of the forward pass, so that m / c is 1 and not nearly so.
        Own(MagnitudeName, new Parameter(RowMagnitudes.Norms(weight.detach(), lora_A.detach(), lora_B.detach(), scale)));
    }

    /// <value>W, m × n; the same object as the source's.</value>
    public Parameter weight => Frozen;

    /// <value>m, the lengths of W′'s rows.</value>
    public Parameter lora_magnitude_vector => Part(MagnitudeName);

    /// <summary>h, and the output before its lengths.</summary>
    protected internal override long KeptBytesPerRow => base.KeptBytesPerRow + out_features * weight.ElementSize;

    /// <summary>W′ as a new tensor, in float32 (float64 for a float64 weight): what the layer multiplies by.</summary>
    public override Tensor EffectiveWeight() => RowMagnitudes.Effective(weight, lora_A, lora_B, lora_magnitude_vector, Scale);

    protected override Tensor Output(Tensor rows)
    {
        if (!Enabled)
            return Plain(rows);

        var output = nn.functional.linear(rows, weight).addmm_(Hidden(rows), lora_B.t()).mul(Gain());
        return bias is null ? output : output.add_(bias);
    }

    protected override Tensor Change(Tensor rows, Tensor output)
    {
        var direction = output.addmm(Hidden(rows), lora_B.t());
        return bias is null ? direction.mul(Gain()) : direction.sub_(bias).mul(Gain()).add_(bias);
    }

    /// <summary>m / c.</summary>
    /// <remarks>A row of one number has no direction, so the exact gradient of its factors is zero, and Adam would make steps of the rounding noise: there the
    /// norm stays a constant.</remarks>
    private Tensor Gain()
    {
        using var norms = _normGradient && weight.shape[1] > 1
            ? RowMagnitudes.Norms(weight, lora_A, lora_B, Scale)
            : RowMagnitudes.Norms(weight.detach(), lora_A.detach(), lora_B.detach(), Scale);
        return lora_magnitude_vector / norms;
    }
}

/// <summary>The algebra of DoRA: rows of W + s B A, with W m × n, A r × n, B m × r, brought to lengths of their own.</summary>
internal static class RowMagnitudes
{
    /// <summary>c, the norm of every row of W + s B A, without that matrix: c² = ‖w‖² + 2 s Σ (W Aᵀ) ∘ B + s² Σ B (A Aᵀ) ∘ B.</summary>
    /// <returns>m entries in the weight's dtype. Gradients reach A and B unless they are detached.</returns>
    public static Tensor Norms(Tensor weight, Tensor a, Tensor b, double scale)
    {
        using var scope = NewDisposeScope();
        var precise = weight.dtype.Computing();
        var (across, gram) = (weight.mm(a.t()).to(precise), a.mm(a.t()).to(precise));
        var left = b.to(precise);
        var mixed = left.mm(gram).mul(scale * scale).add(across.mul(2 * scale)).mul(left).sum(1L);
        var square = weight.norm(dim: 1).to(precise).square();
        return square.add(mixed).clamp_min(Smallest(weight) * Smallest(weight)).sqrt().to(weight.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>diag(m / c) (W + s B A) as a new tensor, float32 or float64.</summary>
    public static Tensor Effective(Tensor weight, Tensor a, Tensor b, Tensor magnitude, double scale)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var merged = LowRankFactors.Effective(weight, a, b, scale);
        var norms = merged.norm(dim: 1, keepdim: true).clamp_min_(Smallest(weight));
        return merged.mul_(magnitude.to(merged.dtype).unsqueeze(1).div(norms)).MoveToOuterDisposeScope();
    }

    /// <summary>A row of zeros has no direction; its norm is taken to be this, which the dtype can hold.</summary>
    private static double Smallest(Tensor weight) => weight.dtype == ScalarType.Float16 ? 1e-6 : 1e-12;
}
