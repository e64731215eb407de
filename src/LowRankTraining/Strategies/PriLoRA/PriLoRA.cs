using LowRankTraining.Adapters;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="PriLoRAStrategy"/>.</summary>
/// <remarks>Its authors' code is not public; the numbers are those of the paper as it is cited.</remarks>
public sealed record PriLoRA : WeightSpaceMethod
{
    /// <value>r_f, the rank in the last block, at least 1. Default 12 (PRILoRA).</value>
    public override int Rank { get; init; } = 12;

    /// <value>r_s, the rank in the first block, at least 1. Default 4 (PRILoRA): the mean is then 8, LoRA's usual rank.</value>
    public int FirstRank { get; init; } = 4;

    /// <value>α, above 0; s = α/r with the rank of the matrix. Default 8, LoRA's.</value>
    public override double Alpha { get; init; } = 8;

    /// <value>Steps from one pruning of A to the next, at least 1. Default 40 (PRILoRA).</value>
    public long PruneEvery { get; init; } = 40;

    /// <value>What is pruned in each row of A. Default: half of it (PRILoRA).</value>
    public Sparsity Sparsity { get; init; } = Sparsity.Share(0.5);

    /// <value>The step from which on A is pruned, at least 0. Default 0.</value>
    public long PruneFrom { get; init; }

    /// <value>The last step at which A can be pruned; null for no end. Default null.</value>
    public long? PruneUntil { get; init; }

    /// <value>Whether A is pruned once more before <see cref="ILowRankSession.Finish"/> merges it, so that what was trained is what is sparse. Default true.</value>
    public bool PruneAtFinish { get; init; } = true;

    /// <value>β, decay of the average of the inputs' norms, in [0, 1). Default 0.9 (PRILoRA).</value>
    public double NormDecay { get; init; } = 0.9;

    /// <value>Whether pruned entries lose their moments, instead of growing again at once. Default false.</value>
    public bool ForgetPruned { get; init; }
}

/// <summary>Finds every violation in <see cref="PriLoRA"/> at once.</summary>
public sealed class PriLoRAOptionsValidator : IValidateOptions<PriLoRA>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, PriLoRA options) => options.Rules()
        .AtLeast(1, options.FirstRank)
        .AtLeast(1, options.PruneEvery)
        .Require(options.Sparsity is not null, "Sparsity is missing: take Sparsity.Share(0.5), for example.")
        .AtLeast(0, options.PruneFrom)
        .Require(options.PruneUntil is null || options.PruneUntil >= options.PruneFrom, $"PruneUntil ({options.PruneUntil}) is before PruneFrom ({options.PruneFrom}).")
        .Fraction(options.NormDecay)
        .Require(options.Injection != Injection.Shadow, "Injection is Shadow: the inputs of the layers are not seen that way. Use Auto, Replace or Hook.")
        .Result;
}
