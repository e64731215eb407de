using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="GradNormLoRPStrategy"/>.</summary>
public sealed record GradNormLoRPOptions : GradientSpaceOptions
{
    /// <summary>The defaults: moments that turn with the subspaces, since two bases turn independently.</summary>
    public GradNormLoRPOptions() => OnRefresh = MomentCarryOver.Rotate;

    /// <value>α, a factor on the projected update of the direction; above 0. Default 0.25 (GaLore).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>Which side of the direction's gradient is compressed. Default: both (GradNormLoRP).</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Both;
}

/// <summary>Finds every violation in <see cref="GradNormLoRPOptions"/> at once.</summary>
public sealed class GradNormLoRPOptionsValidator : IValidateOptions<GradNormLoRPOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, GradNormLoRPOptions options) => options.Rules()
        .Above(0, options.Scale)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Require(!options.AccumulatesInSubspace, "GradNormLoRP splits the whole gradient into magnitude and direction, which accumulation in the subspace throws away: accumulate in full.")
        .Fits(GradNormLoRPStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
