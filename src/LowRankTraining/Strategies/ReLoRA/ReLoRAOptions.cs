using System.ComponentModel.DataAnnotations;
using LowRankTraining.Adapters;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="ReLoRAStrategy"/>.</summary>
public sealed record ReLoRAOptions : WeightSpaceOptions, IValidatableObject
{
    /// <value>r before the first restart, at least 1. Default 128 (ReLoRA, at every model size).</value>
    public override int Rank { get; init; } = 128;

    /// <value>α, above 0. Default 32 (the authors' code), so s = 0.25 at the default rank.</value>
    public override double Alpha { get; init; } = 32;

    /// <value>T, steps from one merge-and-restart to the next, counted from the end of the warm start; at least 1. Default 2000 (ReLoRA: 2000 to 5000).</value>
    [Range(1, long.MaxValue, ErrorMessage = "MergeEvery must be at least 1.")]
    public long MergeEvery { get; init; } = 2000;

    /// <value>Steps of full-rank training before the factors take over; at least 0. Most of the method's quality at small scale comes from them (ReLoRA, table 4): a quarter of the run is the authors' recipe. Default 0.</value>
    [Range(0, long.MaxValue, ErrorMessage = "WarmStartSteps must be at least 0.")]
    public long WarmStartSteps { get; init; }

    /// <value>γ, factor on the rank at every restart, in (0, 1]: rⱼ = max(<see cref="MinRank"/>, round(r γʲ)). Default 1, the rank stays.</value>
    [Range(0, 1, MinimumIsExclusive = true, ErrorMessage = "RankDecay must be above 0 and at most 1.")]
    public double RankDecay { get; init; } = 1;

    /// <value>The rank below which <see cref="RankDecay"/> does not go; at least 1 and at most <see cref="WeightSpaceOptions.Rank"/>. Default 1.</value>
    [Range(1, int.MaxValue, ErrorMessage = "MinRank must be at least 1.")]
    public int MinRank { get; init; } = 1;

    /// <value>How much of the factors' optimizer state is forgotten at a restart. A factor whose rank changes forgets all. Default: magnitude pruning (ReLoRA, section 3).</value>
    [EnumDataType(typeof(OptimizerReset), ErrorMessage = "Reset is not one of Zero, RandomPruning, MagnitudePruning.")]
    public OptimizerReset Reset { get; init; } = OptimizerReset.MagnitudePruning;

    /// <value>Share of the state that pruning forgets, in [0, 1]. Default 0.99 (ReLoRA, section 3).</value>
    [Range(0, 1, ErrorMessage = "PruneRatio must be at least 0 and at most 1.")]
    public double PruneRatio { get; init; } = 0.99;

    /// <value>Whether the factors' step counter, and with it Adam's bias correction, starts anew at a restart. The authors' code keeps it, after which steps are up to 6.6 times their
    /// normal size at β₂ = 0.999. Default true.</value>
    public bool ResetStepCounter { get; init; } = true;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (MinRank > Rank)
            yield return new($"MinRank ({MinRank}) is above Rank ({Rank}).", [nameof(MinRank)]);
    }
}

/// <summary>Finds every violation in <see cref="ReLoRAOptions"/> at once.</summary>
[OptionsValidator]
public sealed partial class ReLoRAOptionsValidator : IValidateOptions<ReLoRAOptions>;
