using LowRankTraining.Adapters;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>PRILoRA: LoRA with ranks that grow with depth, and with recurring pruning of A by importance.</summary>
/// <remarks>
/// <para>The matrices of block ℓ of L have rank round(r_s + (r_f − r_s) ℓ / (L − 1)); a single block has r_f. A block is everything up to the first number in a name, <c>layers.3</c> of
/// <c>layers.3.attn.q_proj.weight</c>; names without a number are a block for each module, in the model's order.</para>
/// <para>While training, ẑ_j ← β ẑ_j + (1 − β) ‖X_:j‖ / √rows for each entry j of a layer's inputs. Every T steps the entries with the least |A_ij| ẑ_j in each row of A are set to zero;
/// they are trained on and may grow again until the next time.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) + n numbers, beside r (m + n) for the factors. Scratch of a pruning: that of a few copies of A.</para>
/// <para>Matrices must be weights of linear modules that are run by <c>call</c>: inputs are seen by <see cref="Injection.Replace"/> and <see cref="Injection.Hook"/> alone.</para>
/// <para>Source: Benedek and Wolf, PRILoRA, arXiv 2401.11316. The authors' code is not public.</para>
/// </remarks>
public sealed class PriLoRAStrategy : ILowRankStrategy
{
    private readonly PriLoRAOptions _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public PriLoRAStrategy(PriLoRAOptions? options = null) => _options = new PriLoRAOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "prilora";

    private AdapterRecipe Recipe => new()
    {
        Strategy = Name,
        Seed = _options.Seed,
        Rank = _options.Rank,
        Scale = _options.Scale,
        Dropout = _options.Dropout,
        Adam = _options.Adam,
        Clock = new RestartClock(WarmStart: 0, Every: null),
        Reset = new MomentReset(OptimizerReset.Zero, Ratio: 1, RestartClock: true),
        Pruning = new InputPruning(
            _options.NormDecay, _options.Sparsity, _options.PruneEvery, _options.PruneFrom, _options.PruneUntil, _options.PruneAtFinish, _options.ForgetPruned),
    };

    /// <inheritdoc cref="ILowRankStrategy.Attach"/>
    /// <param name="model">The model, already on its device and in its dtype.</param>
    /// <param name="targets">The matrices to adapt; all linear weights but the output head when null.</param>
    /// <exception cref="ArgumentException">A pattern of n in every m does not divide the rows of some A; all of them are listed. Or the targets match nothing. The model is unchanged.</exception>
    public AdapterSession Attach(nn.Module model, Targets? targets = null) => AdapterPlanner.Attach(model, targets, new PriLoRAMethod(Recipe, _options), _options);

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets) => Attach(model, targets);
}
