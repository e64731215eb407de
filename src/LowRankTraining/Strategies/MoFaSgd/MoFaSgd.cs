namespace LowRankTraining.Strategies;

/// <summary>MoFaSGD: momentum kept as its singular value decomposition of low rank, with steps along its polar factor; AdamW for what is no matrix of a
/// layer.</summary>
/// <remarks>
/// <para>U diag(S) Vᵀ ← the best rank-r part of G seen from U and V, plus β U diag(S) Vᵀ; W ← (1 − ηλ) W − η (c U Vᵀ + κ c (I − U Uᵀ) G (I − V Vᵀ)): see
/// <see cref="FactoredMomentumRule"/>.</para>
/// <para>State of an m × n matrix: r (m + n + 1) numbers.</para>
/// <para>Differences from the authors' code: the momentum starts from the first gradient and not from the weight, singular values become 1 and are not
/// inverted, and steps have AdamW's size at full rank. <see cref="Compatibility.ReferenceCode"/> starts from the weight.</para>
/// <para>Source: Mahdavinia and Mahdavi, Low-rank Momentum Factorization for Memory Efficient Training, arXiv 2507.08091, and its code.</para>
/// </remarks>
public sealed record MoFaSgd : AdamMethod
{
    /// <inheritdoc/>
    public override string Name => "mofasgd";

    private readonly int? _rank;

    /// <value>r, rank of the momentum; at least 1. Above a matrix's short side it is lowered to that side, with a warning. Default 128, as GaLore's; a matrix
    /// for which nobody has asked for a rank and that one would take more state than AdamW is left to AdamW.</value>
    public int Rank { get => _rank ?? 128; init => _rank = value; }

    /// <value>β, share of the momentum that stays, in [0, 1). Default 0.9.</value>
    public double Momentum { get; init; } = 0.9;

    /// <value>κ, a factor on the gradient outside of both subspaces; at least 0. Default 0 (MoFaSGD's configuration).</value>
    public double ResidualScale { get; init; }

    /// <value>The largest factor on a singular direction, where these are divided by their singular values, above 0; null for ones. Default null; the
    /// authors' configuration has 5.</value>
    public double? MostInverse { get; init; }

    /// <value>What steps on matrices are multiplied by. Default: 0.2 √max(m, n).</value>
    public PolarScaling Scaling { get; init; }

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    /// <inheritdoc/>
    protected override bool SparesSmallTargets => _rank is null;

    /// <inheritdoc/>
    protected override UpdateRule RuleForTarget(in ParameterRole target) => new FactoredMomentumRule
    {
        Rank = Rank,
        Momentum = Momentum,
        ResidualScale = ResidualScale,
        MostInverse = MostInverse,
        Scaling = Scaling,
        StartsFromWeight = FollowsCode,
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .AtLeast(1, Rank)
            .Fraction(Momentum)
            .AtLeast(0, ResidualScale)
            .Above(0, MostInverse)
            .Defined(Scaling);
    }
}
