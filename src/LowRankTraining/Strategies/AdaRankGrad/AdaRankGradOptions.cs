using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="AdaRankGradStrategy"/>.</summary>
/// <remarks><see cref="GradientSpaceOptions.Rank"/> is the largest rank, and <see cref="GradientSpaceOptions.RefreshEvery"/> is not used.</remarks>
public sealed record AdaRankGradOptions : GradientSpaceOptions
{
    /// <summary>The defaults: moments by <see cref="MomentCarryOver.ProjectionAware"/>.</summary>
    public AdaRankGradOptions() => OnRefresh = MomentCarryOver.ProjectionAware;

    /// <value>η, the largest share of the energy that may stay outside when a subspace is found, in (0, 1). Default 0.3: the paper's is not known.</value>
    public double Outside { get; init; } = 0.3;

    /// <value>Share of the energy below which a subspace is left, in (0, 1) and at most 1 − η. Default 0.35: half of 1 − η.</value>
    public double Least { get; init; } = 0.35;

    /// <value>Smallest rank, at least 1. Default 8.</value>
    public int MinRank { get; init; } = 8;

    /// <value>Updates between two looks at the captured energy, at least 1. Default 10.</value>
    public long LookEvery { get; init; } = 10;

    /// <value>Least number of updates in one subspace, at least 1. Default 50.</value>
    public long MinDwell { get; init; } = 50;

    /// <value>Largest number of updates in one subspace, at least the least. Default 1000.</value>
    public long MaxDwell { get; init; } = 1000;

    /// <value>α, a factor on the projected update; above 0. Default 0.25 (GaLore).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    internal override IBasis DefaultBasis => new AdaptiveRankBasis { Outside = Outside, MinRank = MinRank };
}

/// <summary>Finds every violation in <see cref="AdaRankGradOptions"/> at once.</summary>
public sealed class AdaRankGradOptionsValidator : IValidateOptions<AdaRankGradOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, AdaRankGradOptions options) => options.Rules()
        .Above(0, options.Outside)
        .Fraction(options.Outside)
        .Above(0, options.Least)
        .Require(options.Least <= 1 - options.Outside, $"Least is {options.Least}: it must be at most 1 − Outside, or every new subspace would be left at once.")
        .AtLeast(1, options.MinRank)
        .AtLeast(1, options.LookEvery)
        .AtLeast(1, options.MinDwell)
        .AtLeast(options.MinDwell, options.MaxDwell)
        .Above(0, options.Scale)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Fits(AdaRankGradStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
