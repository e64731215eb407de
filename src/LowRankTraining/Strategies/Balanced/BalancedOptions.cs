using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="BalancedStrategy"/>.</summary>
public sealed record BalancedOptions : GradientSpaceOptions
{
    /// <summary>The defaults: a new subspace every 200 steps, staggered, warm-started, stored in bfloat16; moments by <see cref="MomentCarryOver.ProjectionAware"/>, stored in 8 bits; a spike clip.</summary>
    public BalancedOptions()
    {
        (RefreshEvery, Staggered, OnRefresh) = (200, true, MomentCarryOver.ProjectionAware);
        (Basis, BasisFormat) = (new WarmStartedBasis(), StateFormat.BFloat16);
        States = StateFormat.Blockwise8Bit;
        Guard = new SpikeGuard { ResetEvery = 0 };
    }

    /// <value>α, a factor on the step inside the subspace; above 0. Default 0.25 (Fira).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>κ, a factor on the scaled residual; at least 0. Default 1 (Fira).</value>
    public double ResidualScale { get; init; } = 1;

    /// <value>γ, the largest growth of the residual's norm per step; above 1. Default 1.01 (Fira).</value>
    public double MaxGrowth { get; init; } = 1.01;

    /// <value>Smallest norm that the limiter compares with, in units of the residual; above 0. Default 1e-8.</value>
    public double LimiterFloor { get; init; } = 1e-8;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;
}

/// <summary>Finds every violation in <see cref="BalancedOptions"/> at once.</summary>
public sealed class BalancedOptionsValidator : IValidateOptions<BalancedOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, BalancedOptions options) => options.Rules()
        .Above(0, options.Scale)
        .AtLeast(0, options.ResidualScale)
        .Above(1, options.MaxGrowth)
        .Above(0, options.LimiterFloor)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Fits(BalancedStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
