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
}

/// <summary>Finds every violation in <see cref="GaLoreOptions"/> at once.</summary>
public sealed class GaLoreOptionsValidator : IValidateOptions<GaLoreOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, GaLoreOptions options) => options.Rules()
        .Above(0, options.Scale)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Fits(GaLoreStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
