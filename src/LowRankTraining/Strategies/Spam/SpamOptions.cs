using LowRankTraining.Rules;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="SpamStrategy"/>.</summary>
public sealed record SpamOptions : AdamOptions
{
    /// <value>θ, how often its own mean square an entry's square may be; above 0. Default 5000 (SPAM).</value>
    public double Threshold { get; init; } = 5000;

    /// <value>ΔT, updates between two resets of the moments; 0 for never. Default 500 (SPAM).</value>
    public long ResetEvery { get; init; } = 500;

    /// <value>N, updates over which the step grows back after a reset; at least 0. Default 150 (SPAM).</value>
    public long WarmupAfterReset { get; init; } = 150;

    /// <value>Updates at the start, and after each reset, in which nothing is cut; at least 0. Default 20 (SPAM's code).</value>
    public long ClipStart { get; init; } = 20;

    /// <value>d, the share of a matrix's rows, or columns where they are the shorter ones, that is trained between two resets; above 0 and at most 1.
    /// Below 1 only these have moments, and other ones are drawn at each reset. Default 1: all of them (SPAM).</value>
    public double Density { get; init; } = 1;

    internal SpikeGuard Guard => new()
    {
        Threshold = Threshold,
        ResetEvery = ResetEvery,
        WarmupAfterReset = WarmupAfterReset,
        ClipStart = ClipStart,
        Compatibility = Compatibility,
    };
}

/// <summary>Finds every violation in <see cref="SpamOptions"/> at once.</summary>
public sealed class SpamOptionsValidator : IValidateOptions<SpamOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, SpamOptions options) => options.AdamRules()
        .Above(0, options.Threshold)
        .AtLeast(0, options.ResetEvery)
        .AtLeast(0, options.WarmupAfterReset)
        .AtLeast(0, options.ClipStart)
        .Above(0, options.Density)
        .Require(!(options.Density > 1), FormattableString.Invariant($"Density is {options.Density}: it must be at most 1."))
        .Require(options.Density >= 1 || options.ResetEvery > 0, "Density is below 1 and ResetEvery is 0: the rest of each matrix would never be trained. Set ResetEvery.")
        .Result;
}
