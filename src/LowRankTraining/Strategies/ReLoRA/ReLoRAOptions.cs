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

    /// <value>How the frozen weights are kept. Formats other than <see cref="BaseFormat.Dense"/> need layers that can be replaced (<see cref="Injection.Replace"/>); the others stay dense, with a warning,
    /// or an error under <see cref="WeightSpaceOptions.Strict"/>. Float32 and half-precision weights only. They are trained dense in the warm start. Default: as they are.</value>
    public BaseFormat Base { get; init; }

    /// <value>How merged weights that are not kept in float32 are rounded. Has no effect under <see cref="Injection.Shadow"/>, where the weight is the merged one all the time. Default: stochastically.</value>
    public MergeRounding Rounding { get; init; }

    /// <value>Measures the loss, on a small validation batch for example; called just before and after every restart, without gradients and in the model's present mode, and both numbers are logged.
    /// They differ by what the merge has rounded away. Default: null, not measured.</value>
    public Func<double>? LossProbe { get; init; }

    /// <summary>The learning rate that belongs to these restarts: a cosine that starts from zero again whenever the factors do, and when they take over from a warm start.</summary>
    /// <param name="totalSteps">Optimizer steps of the run, warm start included. The cosine ends where the last stretch between restarts does, if that is later.</param>
    /// <param name="warmup">w₁, steps of the first warm-up; it must end before the first restart.</param>
    /// <param name="restartWarmup">w₂, steps of the warm-up after each restart. ReLoRA: 50 to 100.</param>
    /// <param name="minRatio">μ, the final multiplier. Default 0.1.</param>
    public JaggedCosineSchedule ScheduleFor(long totalSteps, long warmup, long restartWarmup, double minRatio = 0.1)
    {
        var first = WarmStartSteps > 0 ? WarmStartSteps : MergeEvery;
        var stretches = Math.Max(0, (totalSteps - first + MergeEvery - 1) / MergeEvery);
        return new()
        {
            TotalSteps = first + stretches * MergeEvery,
            Warmup = warmup,
            RestartEvery = MergeEvery,
            FirstRestart = first,
            RestartWarmup = restartWarmup,
            MinRatio = minRatio,
        };
    }
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
        .Obey((IPart?)options.RankSchedule)
        .Require(options.RankSchedule is null || options.RankDecay == 1, "RankDecay and RankSchedule are both set: leave RankDecay at 1, or express it as a GeometricRank.")
        .OneOf(options.Reset, Enum.GetValues<OptimizerReset>())
        .QuantizesBy(options.Base, options.Injection)
        .OneOf(options.Rounding, Enum.GetValues<MergeRounding>())
        .Require(options.PruneRatio is >= 0 and <= 1, FormattableString.Invariant($"PruneRatio is {options.PruneRatio}: it must be at least 0 and at most 1."))
        .Result;
}
