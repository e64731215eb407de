using LowRankTraining.Adapters;

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
public sealed class PriLoRAStrategy : WeightSpaceStrategy<PriLoRA>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public PriLoRAStrategy(PriLoRA? options = null) : base("prilora", new PriLoRAOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new PriLoRAMethod(AdapterRecipe.Of(Name, Options) with { Pruning = Pruning }, Options);

    private InputPruning Pruning => new(
        Options.NormDecay, Options.Sparsity, Options.PruneEvery, Options.PruneFrom, Options.PruneUntil, Options.PruneAtFinish, Options.ForgetPruned);
}
