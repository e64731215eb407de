namespace LowRankTraining.Layers;

/// <summary>A linear layer with a frozen weight and trainable low-rank factors beside it.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b + s (x Aᵀ) Bᵀ, with x (..., n), W m × n, A r × n, B m × r. A starts uniform in ±1/√n and B at zero, so the layer starts as the plain one
/// that it was made from.</para>
/// <para>For more than 2 m n / (m + n) rows in float32 or float64, and without dropout, it is computed as x (W + s B A)ᵀ +
/// b, which is less work; the sum lives for one product.</para>
/// <para>In the state dict: <c>weight</c>, <c>bias</c>, <c>lora_A</c>, <c>lora_B</c>.</para>
/// <para>Source: Hu et al., LoRA, arXiv 2106.09685, section 4.1.</para>
/// </remarks>
public sealed class LowRankLinear : FactorLayer
{
    /// <summary>Puts factors beside a linear layer, whose weight (frozen from now on) and bias it shares.</summary>
    /// <param name="source">The layer.</param>
    /// <param name="rank">r, at least 1 and at most the short side of the weight.</param>
    /// <param name="scale">s, a factor on the product B A; α/r in LoRA. Default 1.</param>
    /// <param name="dropout">Probability with which an input entry does not reach the factors, in [0, 1). At 0 nothing is computed for it; else masks are drawn
    /// again for the backward pass, and none is kept. Default 0.</param>
    /// <param name="key">Seed of A and of the masks. Default 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rank, scale or dropout out of range.</exception>
    public LowRankLinear(Linear source, int rank, double scale = 1, double dropout = 0, ulong key = 0)
        : base(nameof(LowRankLinear), source, rank, scale, dropout, key) { }

    /// <value>W, m × n; the same object as the source's.</value>
    public Parameter weight => Frozen;

    internal override long RowsToKeepNothing => Mask is null ? MergedProduct.RowsFor(weight) : base.RowsToKeepNothing;

    /// <summary>W + s B A as a new tensor, in float32 (float64 for a float64 weight): what the layer multiplies by.</summary>
    public override Tensor EffectiveWeight() => LowRankFactors.Effective(weight, lora_A, lora_B, Scale);

    internal override Tensor? FoldIn(Generator? rounding, bool measures = false) => Add(lora_A, lora_B, rounding, measures);

    /// <inheritdoc/>
    protected override Tensor Output(Tensor rows)
    {
        if (!Enabled)
            return Plain(rows);
        return !(Mask is not null && training) && rows.shape[0] >= MergedProduct.RowsFor(weight)
            ? Merged(rows)
            : Plain(rows).addmm_(Hidden(rows), lora_B.t());
    }

    /// <inheritdoc/>
    protected override Tensor Change(Tensor rows, Tensor output) => output.addmm(Hidden(rows), lora_B.t());

    private Tensor Merged(Tensor rows) => bias is null
        ? MergedProduct.apply(rows, weight, lora_A, lora_B, Scale)
        : MergedProduct.apply(rows, weight, lora_A, lora_B, Scale, bias);
}
