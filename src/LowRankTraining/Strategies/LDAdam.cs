namespace LowRankTraining.Strategies;

/// <summary>LDAdam: Adam in a subspace that moves with every step, with moments that move along and an error that comes back.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, at each step, with Ĝ = G + E: B = ρ P M̂ + (1 − ρ) Ĝ; P′ ← orth(B Bᵀ P); C = P′ᵀ P; R = P′ᵀ Ĝ;
/// E ← Ĝ − P′ R + β₁/(1 − β₁) (P M − P′ C M); M ← C M; V ← (1 − β₂ᵗ) |(C ∘ C)(V̂ − M̂²) + (C M̂)²|; then Adam on R; W ← W − η P′ N. For m &gt; n from the
/// right.</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) numbers, and s l more for the error.</para>
/// <para>Differences from the paper: none; the error is kept with the state, where the authors' code keeps it in the gradient and loses it in a checkpoint,
/// together with the step count. They project a square matrix from the left, we from the right.</para>
/// <para>Source: Robert et al., LDAdam, arXiv 2410.16103, algorithm 1.</para>
/// </remarks>
public sealed record LDAdam : GradientSpaceMethod
{
    /// <summary>The defaults: rank 16, α = 1, β₁ 0.908, β₂ 0.99, a new subspace at every step, moments by <see cref="MomentCarryOver.ProjectionAware"/>
    /// (LDAdam).</summary>
    public LDAdam() => (Scale, Beta1, Beta2, RefreshEvery, OnRefresh) = (1, 0.908, 0.99, 1, MomentCarryOver.ProjectionAware);

    /// <inheritdoc/>
    public override string Name => "ldadam";

    /// <inheritdoc/>
    protected override int DefaultRank => 16;

    /// <value>ρ, the share of the first moment in what the subspace is found from, in [0, 1). Default 0.908 (LDAdam: β₁).</value>
    public double Share { get; init; } = 0.908;

    /// <value>How the error is stored, what the projection drops and what comes back with the next gradient; null for no error feedback. It is one matrix of
    /// state. Default: float32 (LDAdam).</value>
    public StateFormat? Feedback { get; init; } = StateFormat.Float32;

    /// <inheritdoc/>
    protected override IBasis OwnBasis => new MomentumMix { Share = Share, Of = new WarmStartedBasis { Start = ColdBasis } };

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    /// <inheritdoc/>
    protected internal override SubspaceRule Subspace => base.Subspace with { Feedback = Feedback };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Fraction(Share)
            .Unused(Basis is null, Share, 0.908, "Basis says what the subspace is found from: put a MomentumMix there")
            .OptionalMoments(Feedback);
    }
}
