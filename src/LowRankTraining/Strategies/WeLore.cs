using LowRankTraining.Factorized;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="WeLoreStrategy"/>. The spectra decide on the ranks, so <see cref="WeightSpaceMethod.Rank"/> is not looked at.</summary>
public sealed record WeLore : FactorizedLayerMethod
{
    /// <value>The share of all singular values to take away, in (0, 1). Default 0.5 (WeLore's headline setting).</value>
    public double Ratio { get; init; } = 0.5;

    /// <value>Which matrices become factors. Default: those that lose <see cref="MinRatio"/>.</value>
    public WeLoreChoice Choice { get; init; }

    /// <value>The share of its singular values that a matrix loses before it becomes factors, in [0, 1]. Default 0.5 (WeLore's fine-tuning); 0 makes factors of all of them, some larger than the matrix.</value>
    public double MinRatio { get; init; } = 0.5;

    /// <value>A plan made before, for instance from the model that a checkpoint comes from; null to make one. Default null.</value>
    public WeLorePlan? Plan { get; init; }
}

/// <summary>Finds every violation in <see cref="WeLore"/> at once.</summary>
public sealed class WeLoreOptionsValidator : IValidateOptions<WeLore>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, WeLore options) => options.LayerRules()
        .Require(options.Ratio is > 0 and < 1, FormattableString.Invariant($"Ratio is {options.Ratio}: it must be above 0 and below 1."))
        .OneOf(options.Choice, Enum.GetValues<WeLoreChoice>())
        .Require(options.MinRatio is >= 0 and <= 1, FormattableString.Invariant($"MinRatio is {options.MinRatio}: it must be at least 0 and at most 1."))
        .Result;
}
