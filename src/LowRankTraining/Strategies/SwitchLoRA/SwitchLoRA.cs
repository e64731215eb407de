using LowRankTraining.Adapters;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="SwitchLoRAStrategy"/>.</summary>
public sealed record SwitchLoRA : WeightSpaceMethod
{
    /// <value>r, at least 1. Default 128, as ReLoRA.</value>
    public override int Rank { get; init; } = 128;

    /// <value>α, above 0. Default 1 (the authors' code), so s = 1/r; learning rates are then large, up to 0.02.</value>
    public override double Alpha { get; init; } = 1;

    /// <value>Steps in which each vector of the factors is exchanged once, at the start; at least 1. Default 40 (the authors' code).</value>
    public double SwitchInterval { get; init; } = 40;

    /// <value>Steps of the whole run, over which exchanges become rare: their rate falls to <see cref="SwitchDecay"/> of itself in a tenth of them. Null for a constant rate. Default null.</value>
    public long? TotalSteps { get; init; }

    /// <value>What the rate of exchange falls to in a tenth of <see cref="TotalSteps"/>, in (0, 1]. Default 0.3 (the authors' code).</value>
    public double SwitchDecay { get; init; } = 0.3;

    /// <value>Steps for which the vector that belongs to a new one is held still, at least 0. Default 5 (the authors' code).</value>
    public long HoldSteps { get; init; } = 5;
}

/// <summary>Finds every violation in <see cref="SwitchLoRA"/> at once.</summary>
public sealed class SwitchLoRAOptionsValidator : IValidateOptions<SwitchLoRA>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, SwitchLoRA options) => options.Rules()
        .AtLeast(1, options.SwitchInterval)
        .Require(options.TotalSteps is null or >= 1, $"TotalSteps is {options.TotalSteps}: it must be at least 1, or null.")
        .Require(options.SwitchDecay is > 0 and <= 1, FormattableString.Invariant($"SwitchDecay is {options.SwitchDecay}: it must be above 0 and at most 1."))
        .AtLeast(0, options.HoldSteps)
        .Require(options.Injection != Injection.Shadow, "Injection is Shadow: its factors cannot be exchanged one by one. Use Auto, Replace or Hook.")
        .Result;
}
