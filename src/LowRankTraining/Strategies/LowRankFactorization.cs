namespace LowRankTraining.Strategies;

/// <summary>Low-rank factorization: W = U V from the first step to the last. The plainest of all, and the "low-rank" row of the tables of GaLore and
/// SLTrain.</summary>
/// <remarks>
/// <para>y = (x Vᵀ) Uᵀ + b; Adam trains U, m × k, and V, k × n. <see cref="ILowRankSession.Finish"/> multiplies them into a plain weight.</para>
/// <para>State of an m × n matrix: 2 k (m + n) numbers, beside k (m + n) for the factors; the weight itself is gone until then. For N rows 6 N k (m + n)
/// operations.</para>
/// <para>Source: Kamalakara et al., Exploring Low Rank Training of Deep Neural Networks, arXiv 2209.13569; start from the singular value decomposition:
/// section 3.</para>
/// </remarks>
public sealed record LowRankFactorization : FactorizedLayerMethod
{
    /// <inheritdoc/>
    public override string Name => "factorized";

    /// <value>k: 128 (the baseline of the tables of GaLore and SLTrain, at 60 million parameters).</value>
    protected override int DefaultRank => 128;

    /// <value>Ranks by name, for instance of a <see cref="WeLorePlan"/>; a matrix that has none there gets <see cref="WeightSpaceMethod.Rank"/>.
    /// Default: none.</value>
    public RankAllocation? Ranks { get; init; }

    /// <value>Whether the factors come as near to the weight as they can, by its truncated SVD; else they are drawn, and training starts from scratch. Default
    /// true.</value>
    public bool StartsFromWeight { get; init; } = true;

    /// <value>T, steps after which U and V become the halves U_k √Σ_k and √Σ_k V_kᵀ of their product's singular value decomposition, and their moments
    /// start from zero; at least 1, or null for never. The learning rate should start from 0 again with them: <see cref="Schedules.JaggedCosineSchedule"/>.
    /// Default null.</value>
    /// <remarks>U V stays what it is. Glentis et al., Scalable Parameter and Memory Efficient Pretraining for LLM, arXiv 2505.22922.</remarks>
    public long? RefactorEvery { get; init; }

    private protected override RankAllocation? RanksByName => Ranks;

    private protected override bool AsksForRanks => base.AsksForRanks || Ranks is not null;

    private protected override long? StepsToRefactoring => RefactorEvery;

    /// <inheritdoc/>
    protected override ReparameterizedLinear LayerFor(string weight, Linear plain, int rank, ulong key) =>
        new FactorizedLinear(plain.bias, StartsFromWeight ? FactorPair.OfSvd(plain.weight, rank, key) : FactorPair.Gaussian(plain.weight, rank, key));

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.OptionalPart(Ranks).AtLeast(1, RefactorEvery);
    }
}
