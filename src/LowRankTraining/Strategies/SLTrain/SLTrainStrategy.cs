using LowRankTraining.Adapters;
using LowRankTraining.Sparse;

namespace LowRankTraining.Strategies;

/// <summary>SLTrain: trains the sum of low-rank factors and a sparse part on a fixed random support in the place of each weight, from scratch.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b with W = s B A + S, s = α/r; S has values v on ⌊δ m n⌋ entries. A and v start uniform in ±1/√n and B at zero. W exists only while a product is computed: what is kept are the parts.
/// Unlike other methods this one discards the weights that the model has, see <see cref="SLTrain.Start"/>. <see cref="ILowRankSession.Finish"/> gives plain weights W.</para>
/// <para>For an m × n matrix: r (m + n) + δ m n numbers for the parts, twice as many of state, and δ m n int32 indices. Weight decay is not applied to the parts.</para>
/// <para>Where a layer cannot be replaced its weight stays dense, and the parts learn from its gradient (<see cref="Injection.Shadow"/>): state is saved, and no weight. There is no <see cref="Injection.Hook"/>.</para>
/// <para>Differences from the authors' code: the support is drawn without a permutation of all entries, and kept in int32; an entry of W is rounded once in half precision; W is freed before ∂L/∂W is made.</para>
/// <para>Source: Han et al., SLTrain, arXiv 2406.02214, algorithm 1.</para>
/// </remarks>
public sealed class SLTrainStrategy : WeightSpaceStrategy<SLTrain>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public SLTrainStrategy(SLTrain? options = null) : base("sltrain", new SLTrainOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new SparseMethod(
        Name,
        new SparseRecipe
        {
            Seed = Options.Seed,
            Rank = Options.Rank,
            Scale = Options.Scale,
            Density = Options.Density,
            Start = Options.Start,
            Storage = Options.Storage,
            PreservesVariance = Options.PreservesVariance,
            Adam = Options.Adam,
        },
        Options)
    {
        Ranks = Options.Ranks,
    };
}
