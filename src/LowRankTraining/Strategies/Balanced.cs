namespace LowRankTraining.Strategies;

/// <summary>Our own preset: a warm-started subspace that is renewed at each matrix's own phase; moments that follow it; the true residual, scaled and
/// limited.</summary>
/// <remarks>
/// <para>Every K steps, staggered: P ← orth(G (Gᵀ P)), one warm-started pass, at the price of one more step. Moments follow by <see cref="MomentCarryOver"/>.
/// U = α P N + κ S, S = (G − P R) diag(φ) with its norm limited. A spike clip stands before Adam.</para>
/// <para>State of a matrix with short side s and long side l: 2 r s + 2.03 r l + 4 bytes: a bfloat16 basis, moments in 8 bits.</para>
/// <para>What each part is worth was measured: see docs/methods/balanced.md.</para>
/// <para>Source: the parts are those of Fira (arXiv 2410.01623), LDAdam (arXiv 2410.16103), SPAM (arXiv 2501.06842), PowerSGD (arXiv 1905.13727) and 8-bit
/// Adam (arXiv 2110.02861); the combination is ours.</para>
/// </remarks>
public sealed record Balanced : ResidualMethod
{
    /// <summary>The defaults: a new subspace every 200 steps, staggered, warm-started, stored in bfloat16; moments by
    /// <see cref="MomentCarryOver.ProjectionAware"/>, stored in 8 bits; a spike clip.</summary>
    public Balanced()
    {
        (Staggered, OnRefresh) = (true, MomentCarryOver.ProjectionAware);
        (Basis, BasisFormat) = (new WarmStartedBasis(), StateFormat.BFloat16);
        States = StateFormat.Blockwise8Bit;
        Guard = new SpikeGuard { ResetEvery = 0 };
    }

    /// <inheritdoc/>
    public override string Name => "balanced";
}
