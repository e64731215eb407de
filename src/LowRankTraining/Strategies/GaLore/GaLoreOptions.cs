using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="GaLoreStrategy"/>.</summary>
public sealed record GaLoreOptions : GradientSpaceOptions
{
    /// <value>α, a factor on the projected update; above 0. Default 0.25 (GaLore, section 5.1).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    /// <value>What is done with tensors of more than two dimensions, such as convolutions. Default: they are treated as out × rest.</value>
    public HigherOrder HigherOrder { get; init; }
}

/// <summary>How a tensor of more than two dimensions is projected.</summary>
public enum HigherOrder
{
    /// <summary>As a matrix of out × rest.</summary>
    Reshape,

    /// <summary>Along each dimension: <see cref="TuckerRule"/>.</summary>
    Tucker,
}

/// <summary>Finds every violation in <see cref="GaLoreOptions"/> at once.</summary>
public sealed class GaLoreOptionsValidator : IValidateOptions<GaLoreOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, GaLoreOptions options) => options.Rules()
        .Above(0, options.Scale)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .OneOf(options.HigherOrder, Enum.GetValues<HigherOrder>())
        .Fits(GaLoreStrategy.Recipe(options), options.AccumulatesInSubspace)
        .FitsTucker(GaLoreStrategy.Recipe(options), options.HigherOrder == HigherOrder.Tucker)
        .Result;
}
