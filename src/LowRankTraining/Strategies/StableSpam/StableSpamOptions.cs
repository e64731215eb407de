using LowRankTraining.Rules;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="StableSpamStrategy"/>.</summary>
public sealed record StableSpamOptions : AdamOptions
{
    /// <value>θ, decay of the largest entry's average, in [0, 1). Default 0.999 (Stable-SPAM's γ₃).</value>
    public double ClipDecay { get; init; } = 0.999;

    /// <value>γ₁, decay of the norm's average, in [0, 1). Default 0.7 (Stable-SPAM); its recipe in bfloat16 has 0.85.</value>
    public double NormDecay { get; init; } = 0.7;

    /// <value>γ₂, decay of the squared norm's average, in [0, 1). Default 0.9 (Stable-SPAM); its recipe in bfloat16 has 0.99999.</value>
    public double SquaredNormDecay { get; init; } = 0.9;

    /// <value>ΔT, updates between two resets of the moments; 0 for never. Default 1000 (Stable-SPAM); its recipes in 4 bits have 500.</value>
    public long ResetEvery { get; init; } = 1000;

    /// <value>Updates over which β₁ and γ₁ fall to <see cref="FinalMomentum"/> times their value; null to keep them. Default null (Stable-SPAM's code).</value>
    public long? TotalSteps { get; init; }

    /// <value>The factor on β₁ and γ₁ that remains at the end, above 0 and at most 1. Default 0.5 (Stable-SPAM).</value>
    public double FinalMomentum { get; init; } = 0.5;

    private MomentumSchedule? Schedule => TotalSteps is { } steps ? new() { TotalSteps = steps, Final = FinalMomentum } : null;

    internal override DecayTiming Decay => DecayTiming.BeforeUpdate;

    internal override double CodeEpsilon => 1e-8;

    internal override AdamRule Adam => base.Adam with { EpsilonAfterCorrection = true, MomentumSchedule = Schedule };

    internal StabilityGuard Guard => new()
    {
        ClipDecay = ClipDecay,
        NormDecay = NormDecay,
        SquaredNormDecay = SquaredNormDecay,
        Epsilon = Epsilon,
        ResetEvery = ResetEvery,
        MomentumSchedule = Schedule,
        Compatibility = Compatibility,
    };
}

/// <summary>Finds every violation in <see cref="StableSpamOptions"/> at once.</summary>
public sealed class StableSpamOptionsValidator : IValidateOptions<StableSpamOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, StableSpamOptions options) => options.AdamRules()
        .Fraction(options.ClipDecay)
        .Fraction(options.NormDecay)
        .Fraction(options.SquaredNormDecay)
        .AtLeast(0, options.ResetEvery)
        .AtLeast(1, options.TotalSteps ?? 1, nameof(options.TotalSteps))
        .Above(0, options.FinalMomentum)
        .Require(!(options.FinalMomentum > 1), FormattableString.Invariant($"FinalMomentum is {options.FinalMomentum}: it must be at most 1."))
        .Result;
}
