using LowRankTraining.Adapters;
using LowRankTraining.Schedules;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="ReLoRAStrategy"/>.</summary>
public sealed record ReLoRAOptions : FactorOptions
{
    /// <value>r before the first restart, at least 1. Default 128 (ReLoRA, at every model size).</value>
    public override int Rank { get; init; } = 128;

    /// <value>α, above 0. Default 32 (the authors' code), so s = 0.25 at the default rank.</value>
    public override double Alpha { get; init; } = 32;

    /// <value>T, steps from one merge-and-restart to the next, counted from the end of the warm start; at least 1. Default 2000 (ReLoRA: 2000 to 5000).</value>
    public long MergeEvery { get; init; } = 2000;

    /// <value>Steps of full-rank training before the factors take over; at least 0. Most of the method's quality at small scale comes from them (ReLoRA, table 4): a quarter of the run is the authors' recipe. Default 0.</value>
    public long WarmStartSteps { get; init; }

    /// <value>γ, factor on the rank at every restart, in (0, 1]: rⱼ = max(<see cref="MinRank"/>, round(r γʲ)). Default 1, the rank stays.</value>
    public double RankDecay { get; init; } = 1;

    /// <value>The rank below which <see cref="RankDecay"/> does not go; at least 1 and at most <see cref="WeightSpaceOptions.Rank"/>. Default 1.</value>
    public int MinRank { get; init; } = 1;

    /// <value>Any other change of the rank, looked at after each restart, or null. Default null.</value>
    public IRankSchedule? RankSchedule { get; init; }

    /// <value>How much of the factors' optimizer state is forgotten at a restart. A factor whose rank changes forgets all. Default: magnitude pruning (ReLoRA, section 3).</value>
    public OptimizerReset Reset { get; init; } = OptimizerReset.MagnitudePruning;

    /// <value>Share of the state that pruning forgets, in [0, 1]. Default 0.99 (ReLoRA, section 3).</value>
    public double PruneRatio { get; init; } = 0.99;

    /// <value>Whether the factors' step counter, and with it Adam's bias correction, starts anew at a restart. The authors' code keeps it, after which steps are up to 6.6 times their
    /// normal size at β₂ = 0.999. Default true.</value>
    public bool ResetStepCounter { get; init; } = true;
}

/// <summary>Finds every violation in <see cref="ReLoRAOptions"/> at once.</summary>
public sealed class ReLoRAOptionsValidator : IValidateOptions<ReLoRAOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, ReLoRAOptions options) => options.FactorRules()
        .AtLeast(1, options.MergeEvery)
        .AtLeast(0, options.WarmStartSteps)
        .Require(options.RankDecay is > 0 and <= 1, FormattableString.Invariant($"RankDecay is {options.RankDecay}: it must be above 0 and at most 1."))
        .AtLeast(1, options.MinRank)
        .Require(options.MinRank <= options.Rank, $"MinRank ({options.MinRank}) is above Rank ({options.Rank}).")
        .Obey(options.RankSchedule)
        .Require(options.RankSchedule is null || options.RankDecay == 1, "RankDecay and RankSchedule are both set: leave RankDecay at 1, or express it as a GeometricRank.")
        .OneOf(options.Reset, Enum.GetValues<OptimizerReset>())
        .Require(options.PruneRatio is >= 0 and <= 1, FormattableString.Invariant($"PruneRatio is {options.PruneRatio}: it must be at least 0 and at most 1."))
        .Result;
}
