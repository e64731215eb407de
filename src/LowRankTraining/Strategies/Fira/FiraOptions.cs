using System.ComponentModel.DataAnnotations;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="FiraStrategy"/>.</summary>
public sealed record FiraOptions : GradientSpaceOptions
{
    /// <value>α, a factor on the step inside the subspace; above 0. Default 0.25 (Fira, below 1B parameters).</value>
    [Range(0, double.MaxValue, MinimumIsExclusive = true, ErrorMessage = "Scale must be above 0.")]
    public double Scale { get; init; } = 0.25;

    /// <value>κ, a factor on the scaled residual; at least 0. Default 1 (Fira).</value>
    [Range(0, double.MaxValue, ErrorMessage = "ResidualScale must be at least 0.")]
    public double ResidualScale { get; init; } = 1;

    /// <value>γ, the largest growth of the residual's norm per step; above 1. Default 1.01 (Fira).</value>
    [Range(1, double.MaxValue, MinimumIsExclusive = true, ErrorMessage = "MaxGrowth must be above 1.")]
    public double MaxGrowth { get; init; } = 1.01;

    /// <value>Smallest norm that the limiter compares with, in units of the residual; above 0. Default 1e-8.</value>
    [Range(0, double.MaxValue, MinimumIsExclusive = true, ErrorMessage = "LimiterFloor must be above 0.")]
    public double LimiterFloor { get; init; } = 1e-8;

    /// <value>Which side of the gradient is compressed; not both, since the residual is scaled along the other. Default: the short one.</value>
    [AllowedValues(ProjectionSide.Short, ProjectionSide.Long, ProjectionSide.Left, ProjectionSide.Right, ErrorMessage = "Side must be Short, Long, Left or Right: Fira scales the residual along the side that is not compressed.")]
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    /// <value>The rule inside the subspace. Default: Adam.</value>
    [EnumDataType(typeof(FiraInner), ErrorMessage = "Inner must be AdamW or RMSProp.")]
    public FiraInner Inner { get; init; }

    /// <value>β of RMSProp, in [0, 1). Default 0.9 (Fira's code).</value>
    [Range(0, 1, MaximumIsExclusive = true, ErrorMessage = "RmsDecay must be at least 0 and below 1.")]
    public double RmsDecay { get; init; } = 0.9;

    /// <value>Momentum of RMSProp, in [0, 1). Default 0.</value>
    [Range(0, 1, MaximumIsExclusive = true, ErrorMessage = "Momentum must be at least 0 and below 1.")]
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
[OptionsValidator]
public sealed partial class FiraOptionsValidator : IValidateOptions<FiraOptions>;
