using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="FiraStrategy"/>.</summary>
public sealed record FiraOptions : GradientSpaceOptions
{
    /// <value>α, a factor on the step inside the subspace; above 0. Default 0.25 (Fira, below 1B parameters).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>κ, a factor on the scaled residual; at least 0. Default 1 (Fira).</value>
    public double ResidualScale { get; init; } = 1;

    /// <value>γ, the largest growth of the residual's norm per step; above 1. Default 1.01 (Fira).</value>
    public double MaxGrowth { get; init; } = 1.01;

    /// <value>Smallest norm that the limiter compares with, in units of the residual; above 0. Default 1e-8.</value>
    public double LimiterFloor { get; init; } = 1e-8;

    /// <value>Which side of the gradient is compressed; not both, since the residual is scaled along the other. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    /// <value>The rule inside the subspace. Default: Adam.</value>
    public FiraInner Inner { get; init; }

    /// <value>β of RMSProp, in [0, 1). Default 0.9 (Fira's code).</value>
    public double RmsDecay { get; init; } = 0.9;

    /// <value>Momentum of RMSProp, in [0, 1). Default 0.</value>
    public double Momentum { get; init; }

    /// <value>Whether RMSProp takes the variance about the mean. Default false.</value>
    public bool Centered { get; init; }
}

/// <summary>The rule that Fira runs inside its subspace.</summary>
public enum FiraInner
{
    /// <summary>Adam, with decoupled weight decay.</summary>
    AdamW,

    /// <summary>RMSProp.</summary>
    RMSProp,
}

/// <summary>Finds every violation in <see cref="FiraOptions"/> at once.</summary>
public sealed class FiraOptionsValidator : IValidateOptions<FiraOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, FiraOptions options) => options.Rules()
        .Above(0, options.Scale)
        .AtLeast(0, options.ResidualScale)
        .Above(1, options.MaxGrowth)
        .Above(0, options.LimiterFloor)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .OneOf(options.Inner, Enum.GetValues<FiraInner>())
        .Fraction(options.RmsDecay)
        .Fraction(options.Momentum)
        .Fits(FiraStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
