using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="ApolloStrategy"/>.</summary>
public sealed record ApolloOptions : GradientSpaceOptions
{
    /// <summary>The defaults: rank 256 (APOLLO, from 350M on; a quarter of the width below).</summary>
    public ApolloOptions() => Rank = 256;

    /// <value>APOLLO-Mini: rank 1, one factor for each matrix, a = 128 (APOLLO, section 5).</value>
    public static ApolloOptions Mini { get; } = new() { Rank = 1, Scale = 128, Scaling = GradientScaling.Tensor };

    /// <value>a, whose square root multiplies the update, as in the authors' code; above 0. Default 1 (APOLLO).</value>
    public double Scale { get; init; } = 1;

    /// <value>One factor per channel, or one for the matrix. Default: per channel (APOLLO).</value>
    public GradientScaling Scaling { get; init; }

    /// <value>Whether √a is applied before the limiter. Default false.</value>
    public bool ScaleBeforeLimiter { get; init; }

    /// <value>Whether the norm of the update is kept from growing too fast. Default true.</value>
    public bool LimitsGrowth { get; init; } = true;

    /// <value>γ, the largest growth of the update's norm per step; above 1. Default 1.01 (APOLLO).</value>
    public double MaxGrowth { get; init; } = 1.01;

    internal override IBasis DefaultBasis => new GaussianBasis();
}

/// <summary>Finds every violation in <see cref="ApolloOptions"/> at once.</summary>
public sealed class ApolloOptionsValidator : IValidateOptions<ApolloOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, ApolloOptions options) => options.Rules()
        .Above(0, options.Scale)
        .OneOf(options.Scaling, Enum.GetValues<GradientScaling>())
        .Above(1, options.MaxGrowth)
        .Fits(ApolloStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
