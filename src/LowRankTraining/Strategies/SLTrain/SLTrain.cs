namespace LowRankTraining.Strategies;

/// <summary>SLTrain: trains the sum of low-rank factors and a sparse part on a fixed random support in the place of each weight, from scratch.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b with W = s B A + S, s = α/r; S has values v on ⌊δ m n⌋ entries. A and v start uniform in ±1/√n and B at zero. W exists only while a
/// product is computed: what is kept are the parts. Unlike other methods this one discards the weights that the model has, see <see cref="StartsFromWeight"/>.
/// <see cref="ILowRankSession.Finish"/> gives plain weights W.</para>
/// <para>For an m × n matrix: r (m + n) + δ m n numbers for the parts, twice as many of state, and δ m n int32 indices. Weight decay is not applied to the
/// parts.</para>
/// <para>Where a layer cannot be replaced its weight stays dense, and the parts learn from its gradient (<see cref="Injection.Shadow"/>): state is saved, and
/// no weight.
/// There is no <see cref="Injection.Hook"/>.</para>
/// <para>Differences from the authors' code: the support is drawn without a permutation of all entries, and kept in int32; an entry of W is rounded once in
/// half precision; W is freed before ∂L/∂W is made.</para>
/// <para>Source: Han et al., SLTrain, arXiv 2406.02214, algorithm 1.</para>
/// </remarks>
public sealed record SLTrain : WeightSpaceMethod
{
    /// <inheritdoc/>
    public override string Name => "sltrain";

    /// <value>r: 128 (the authors' script for 60 million parameters; 256 for 130 and 350 million, 512 for 1 billion, 1024 for 7 billion).</value>
    protected override int DefaultRank => 128;

    /// <value>Ranks by name, for instance of a <see cref="WeLorePlan"/>; a matrix that has none there gets <see cref="WeightSpaceMethod.Rank"/>,
    /// and the scale is the same for all. Default: none.</value>
    public RankAllocation? Ranks { get; init; }

    /// <value>α, above 0. Default 32 (the authors' script for 60 million parameters, so s = 0.25; 16 for 130 and 350 million, 8 above).</value>
    public override double Alpha { get; init; } = 32;

    /// <value>δ, share of a matrix's entries that its sparse part has, in (0, 1): ⌊δ m n⌋ of them, and one where that is none (an error under
    /// <see cref="WeightSpaceMethod.Strict"/>). Default 0.03 (SLTrain; 0.05 for 7 billion parameters).</value>
    public double Density { get; init; } = 0.03;

    /// <value>Whether the parts come as near to the weights as they can: factors are their truncated SVD, and the sparse part what that leaves on its support.
    /// What the model computes changes by what is lost. Default false: the weights are discarded and training starts from scratch, as in the paper.</value>
    public bool StartsFromWeight { get; init; }

    /// <value>Whether the places of sparse values are kept, row by row and ascending: 4 bytes per value, 8 in a matrix of 2³¹ entries and more. If not, every
    /// forward and backward pass draws them again by the seed, and a run goes on only with the seed and the names that it was started with. Default
    /// true.</value>
    public bool KeepsIndices { get; init; } = true;

    /// <value>Whether the sparse values are drawn from U(±1/√(δ n)), so that outputs start with the variance of a plain layer's; otherwise they start √δ as
    /// large.
    /// Default false (the authors' code).</value>
    public bool PreservesVariance { get; init; }

    private protected override bool AsksForRanks => base.AsksForRanks || Ranks is not null;

    private protected override AdapterMethod Method => new SparseMethod(
        Settings,
        new SparseRecipe
        {
            Seed = Seed,
            Rank = Rank,
            Scale = ScaleOf(Alpha, Rank),
            Density = Density,
            StartsFromWeight = StartsFromWeight,
            KeepsIndices = KeepsIndices,
            PreservesVariance = PreservesVariance,
            Adam = Adam,
        })
    {
        Ranks = Ranks,
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.Share(Density)
            .OptionalPart(Ranks)
            .NoEffect(Dropout != 0, nameof(Dropout), "there is nothing beside the weight that it could act on. Leave it at 0.")
            .NoEffect(PreservesVariance && StartsFromWeight, nameof(PreservesVariance),
                "StartsFromWeight is true, and the values are taken from the weight.");
    }
}
