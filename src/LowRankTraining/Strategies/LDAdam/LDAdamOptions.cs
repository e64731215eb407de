using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="LDAdamStrategy"/>.</summary>
public sealed record LDAdamOptions : GradientSpaceOptions
{
    /// <summary>The defaults: rank 16, β₁ 0.908, β₂ 0.99, a new subspace at every step, moments by <see cref="MomentCarryOver.ProjectionAware"/> (LDAdam).</summary>
    public LDAdamOptions() => (Rank, Beta1, Beta2, RefreshEvery, OnRefresh) = (16, 0.908, 0.99, 1, MomentCarryOver.ProjectionAware);

    /// <value>ρ, the share of the first moment in what the subspace is found from, in [0, 1). Default 0.908 (LDAdam: β₁).</value>
    public double Share { get; init; } = 0.908;

    /// <value>Whether what the projection drops comes back with the next gradient; costs one matrix of state. Default true (LDAdam).</value>
    public bool ErrorFeedback { get; init; } = true;

    /// <value>How the error is stored. Default: float32.</value>
    public StateFormat ErrorFormat { get; init; } = StateFormat.Float32;

    /// <value>α, a factor on the update; above 0. Default 1 (LDAdam).</value>
    public double Scale { get; init; } = 1;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    internal override IBasis DefaultBasis => new MomentumMix { Share = Share, Of = new WarmStartedBasis { Start = ColdBasis } };

    /// <summary>LDAdam's code decays before the update, as the paper does.</summary>
    internal override DecayTiming Decay => DecayTiming.BeforeUpdate;

    internal override double CodeEpsilon => 1e-8;

    internal override AdamRule Adam => base.Adam with { EpsilonAfterCorrection = true };
}

/// <summary>Finds every violation in <see cref="LDAdamOptions"/> at once.</summary>
public sealed class LDAdamOptionsValidator : IValidateOptions<LDAdamOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, LDAdamOptions options) => options.Rules()
        .Fraction(options.Share)
        .Above(0, options.Scale)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Fits(LDAdamStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
