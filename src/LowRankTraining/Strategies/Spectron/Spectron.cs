namespace LowRankTraining.Strategies;

/// <summary>Spectron: low-rank factorization whose factors step along polar factors, together by no more than η in any direction of the weight.</summary>
/// <remarks>
/// <para>y = (x Vᵀ) Uᵀ + b with U, m × k, and V, k × n. For both factors F with gradient G: M ← μM + (1 − μ)G; F ← (1 − ηλ) F − ρ polar(M), by Newton-Schulz,
/// with one ρ = α η / (‖U‖₂ + ‖V‖₂ + 1). Where ‖polar‖₂ ≤ 1 and ρ ≤ 1, the weight U V changes by at most ρ‖U‖₂ + ρ‖V‖₂ + ρ² ≤ α η in the
/// spectral norm.</para>
/// <para>‖F‖₂ comes from <see cref="PowerIterations"/> of the power method after every step, which begin where the last ones ended. That is a bound from
/// below, close since factors move slowly; five Newton-Schulz steps leave singular values up to 1.2.</para>
/// <para>Everything that is no linear layer is trained by AdamW at η. <see cref="ILowRankSession.Finish"/> multiplies the factors into plain weights.</para>
/// <para>State of an m × n matrix: k (m + n) numbers of momentum and m + n of singular vectors, beside k (m + n) for the factors; the weight itself is gone
/// until then.</para>
/// <para>Difference from other code: ‖F‖₂ is that of the factor before weight decay, which makes it larger by 1 + ηλ at most.</para>
/// <para>Source: Janson et al., Stabilizing Native Low-Rank LLM Pretraining, arXiv 2602.12429, algorithms 1 and 3; defaults: Spectron of NVIDIA's Emerging
/// Optimizers.</para>
/// </remarks>
public sealed record Spectron : FactorizedLayerMethod
{
    /// <inheritdoc/>
    public override string Name => "spectron";

    /// <value>k: 128; the paper has a quarter of the short side.</value>
    protected override int DefaultRank => 128;

    /// <value>Whether the factors come as near to the weight as they can, by its truncated SVD; else they are drawn, and training starts from scratch. Default
    /// true.</value>
    public bool StartsFromWeight { get; init; } = true;

    /// <value>α, above 0: factors step by α η, so that AdamW can train the rest at a rate η of its own. Default 1.</value>
    public double Scale { get; init; } = 1;

    /// <value>μ, decay of the momentum, in [0, 1); 0 keeps none. Default 0.9.</value>
    public double Momentum { get; init; } = 0.9;

    /// <value>Newton-Schulz steps, from 1 to 100; null for the exact polar factor, which takes far longer. Default 5.</value>
    public int? NewtonSchulzSteps { get; init; } = 5;

    /// <value>Whether the products of Newton-Schulz are those of bfloat16: see <see cref="PolarRule.InBFloat16"/>. Default false.</value>
    public bool InBFloat16 { get; init; }

    /// <value>Iterations of the power method between two steps, from 1 to 1000. Default 1.</value>
    public int PowerIterations { get; init; } = 1;

    private protected override AdapterMethod Method => new SpectronMethod(Settings, Rule, PowerIterations, LayerFor);

    private SpectronRule Rule => new(Polar, Scale);

    private PolarRule Polar => new()
    {
        Momentum = Momentum,
        Nesterov = false,
        NewtonSchulzSteps = NewtonSchulzSteps,
        InBFloat16 = InBFloat16,
        Scaling = PolarScaling.None,
        States = States,
    };

    /// <inheritdoc/>
    protected override ReparameterizedLinear LayerFor(string weight, Linear plain, int rank, ulong key) =>
        new FactorizedLinear(plain.bias, StartsFromWeight ? FactorPair.OfSvd(plain.weight, rank, key) : FactorPair.Gaussian(plain.weight, rank, key));

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Fraction(Momentum)
            .Between(1, 100, NewtonSchulzSteps)
            .Unused(NewtonSchulzSteps is not null, InBFloat16, false, "the polar factor is exact")
            .Between(1, 1000, PowerIterations)
            .Above(0, Scale);
    }
}
