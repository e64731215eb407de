using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="SubTrackStrategy"/>.</summary>
public sealed record SubTrackOptions : GradientSpaceOptions
{
    /// <summary>The defaults: moments by <see cref="MomentCarryOver.ProjectionAware"/> (SubTrack++).</summary>
    public SubTrackOptions() => OnRefresh = MomentCarryOver.ProjectionAware;

    /// <value>η, step size of the rotation, relative to the gradient: see <see cref="GrassmannBasis.StepSize"/>; above 0. Default 1.</value>
    public double StepSize { get; init; } = 1;

    /// <value>α, a factor on the step inside the subspace; above 0. Default 0.25 (SubTrack++).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>κ, a factor on the scaled residual; at least 0. Default 1.</value>
    public double ResidualScale { get; init; } = 1;

    /// <value>γ, the largest growth of the residual's norm per step; above 1. Default 1.01 (Fira).</value>
    public double MaxGrowth { get; init; } = 1.01;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    internal override IBasis DefaultBasis => new GrassmannBasis { StepSize = StepSize };
}

/// <summary>Finds every violation in <see cref="SubTrackOptions"/> at once.</summary>
public sealed class SubTrackOptionsValidator : IValidateOptions<SubTrackOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, SubTrackOptions options) => options.Rules()
        .Above(0, options.StepSize)
        .Above(0, options.Scale)
        .AtLeast(0, options.ResidualScale)
        .Above(1, options.MaxGrowth)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Fits(SubTrackStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
