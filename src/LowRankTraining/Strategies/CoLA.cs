using LowRankTraining.Factorized;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="CoLAStrategy"/>.</summary>
public sealed record CoLA : FactorizedLayerMethod
{
    /// <value>k, at least 1. Default 128 (CoLA: a quarter of the model's width, 128 at 60 million parameters).</value>
    public override int Rank { get; init; } = 128;

    /// <value>σ, between the factors. Default: SiLU (CoLA).</value>
    public FactorActivation Activation { get; init; } = FactorActivation.SiLU;
}

/// <summary>Finds every violation in <see cref="CoLA"/> at once.</summary>
public sealed class CoLAOptionsValidator : IValidateOptions<CoLA>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, CoLA options) => options.LayerRules()
        .OneOf(options.Activation, [FactorActivation.SiLU, FactorActivation.GELU, FactorActivation.ReLU])
        .Result;
}
