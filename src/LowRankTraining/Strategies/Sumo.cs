namespace LowRankTraining.Strategies;

/// <summary>SUMO: a subspace in which the momentum's singular values are all brought to 1, exactly, and the gradient as it is outside.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, with P of m × r found again every K steps and M ← (P_newᵀ P_old) M then: R = PᵀG; M ← μM + (1 − μ)R;
/// W ← W − η (0.2 √n P (M Mᵀ)^(−½) M + κ (G − P R)). For m &gt; n from the right.</para>
/// <para>State of a matrix with short side s and long side l: r (s + l) numbers, one moment less than GaLore. Everything that is not projected is trained by
/// Adam, since a vector has no singular values to speak of.</para>
/// <para>Differences from the paper: the short side is compressed by default, where the paper writes the long one; the norm-growth limiter on the orthogonal
/// step is left out, as that step's norm is √r at every step; the √max(m, n) of the paper is Moonshot's 0.2 √max(m, n).</para>
/// <para>Source: Refael et al., SUMO: Subspace-Aware Moment-Orthogonalization, arXiv 2505.24749, algorithm 1.</para>
/// </remarks>
public sealed record Sumo : GradientSpaceMethod
{
    /// <summary>The defaults: a randomized SVD every 200 steps, a momentum that follows, α = 1 (SUMO).</summary>
    public Sumo() => (Scale, OnRefresh) = (1, MomentCarryOver.Rotate);

    /// <inheritdoc/>
    public override string Name => "sumo";

    /// <value>μ, decay of the momentum in the subspace, in [0, 1). Default 0.95 (Muon; SUMO gives none).</value>
    public double Momentum { get; init; } = 0.95;

    /// <value>Newton-Schulz steps in the place of the exact polar factor, from 1 to 100; null for that. Default null (SUMO).</value>
    public int? NewtonSchulzSteps { get; init; }

    /// <value>What the polar factor is multiplied by, m and n the sides of the low-rank gradient. Default 0.2 √max(m, n).</value>
    public PolarScaling Scaling { get; init; }

    /// <value>κ, a factor on the gradient outside the subspace; at least 0. Default 1 (SUMO).</value>
    public double ResidualScale { get; init; } = 1;

    /// <inheritdoc/>
    protected override IBasis OwnBasis => ColdBasis;

    /// <inheritdoc/>
    protected override DirectionRule InnerRule => new PolarRule
    {
        Momentum = Momentum,
        Nesterov = Momentum == 0,
        NewtonSchulzSteps = NewtonSchulzSteps,
        Scaling = Scaling,
        States = States,
    };

    /// <inheritdoc/>
    protected override ILift Lift => ResidualScale == 0 ? new ProjectBack { Scale = Scale } : new GradientOutside(Scale, ResidualScale);

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Fraction(Momentum)
            .Between(1, 100, NewtonSchulzSteps)
            .Defined(Scaling)
            .AtLeast(0, ResidualScale);
    }
}

/// <summary>The step in the subspace, and outside it the gradient as it is, without a matrix for what is outside.</summary>
/// <remarks>U = α c P N + κ (G − P R) = κ G + P (α c N − κ R): one product.</remarks>
/// <param name="Scale">α.</param>
/// <param name="ResidualScale">κ.</param>
internal sealed record GradientOutside(double Scale, double ResidualScale) : ILift
{
    public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state)
    {
        accumulator.add_(lowRank.Gradient, scale * ResidualScale);
        var inside = lowRank.Direction.mul_(Scale * lowRank.Correction).add_(lowRank.LowRankGradient, -ResidualScale);
        lowRank.Projection.AddBack(accumulator, inside, scale);
    }
}
