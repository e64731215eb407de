using LowRankTraining.Adapters;
using LowRankTraining.Sparse;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>SLTrain: trains the sum of low-rank factors and a sparse part on a fixed random support in the place of each weight, from scratch.</summary>
/// <remarks>
/// <para>y = x Wᵀ + b with W = s B A + S, s = α/r; S has values v on ⌊δ m n⌋ entries. A and v start uniform in ±1/√n and B at zero. W exists only while a product is computed: what is kept are the parts.
/// Unlike other methods this one discards the weights that the model has, see <see cref="SLTrainOptions.Start"/>. <see cref="ILowRankSession.Finish"/> gives plain weights W.</para>
/// <para>For an m × n matrix: r (m + n) + δ m n numbers for the parts, twice as many of state, and δ m n int32 indices. Weight decay is not applied to the parts.</para>
/// <para>Where a layer cannot be replaced its weight stays dense, and the parts learn from its gradient (<see cref="Injection.Shadow"/>): state is saved, and no weight. There is no <see cref="Injection.Hook"/>.</para>
/// <para>Differences from the authors' code: the support is drawn without a permutation of all entries, and kept in int32; an entry of W is rounded once in half precision; W is freed before ∂L/∂W is made.</para>
/// <para>Source: Han et al., SLTrain, arXiv 2406.02214, algorithm 1.</para>
/// </remarks>
public sealed class SLTrainStrategy : ILowRankStrategy
{
    private readonly SLTrainOptions _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public SLTrainStrategy(SLTrainOptions? options = null) => _options = new SLTrainOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "sltrain";

    private SparseRecipe Recipe => new()
    {
        Seed = _options.Seed,
        Rank = _options.Rank,
        Scale = _options.Scale,
        Density = _options.Density,
        Start = _options.Start,
        Storage = _options.Storage,
        PreservesVariance = _options.PreservesVariance,
        Adam = _options.Adam,
    };

    /// <inheritdoc cref="ILowRankStrategy.Attach"/>
    /// <param name="model">The model, already on its device and in its dtype. Its adapted weights are given up.</param>
    /// <param name="targets">The matrices to adapt; all linear weights but the output head when null.</param>
    public AdapterSession Attach(nn.Module model, Targets? targets = null) => AdapterPlanner.Attach(model, targets, new SparseMethod(Name, Recipe, _options), _options);

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets) => Attach(model, targets);
}
