using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="FloraStrategy"/>.</summary>
public sealed record FloraOptions : UpdateOptions
{
    /// <value>r, columns of the sketch; at least 1. A matrix whose short side is not above it keeps its momentum whole. Default 128 (the authors give none).</value>
    public int Rank { get; init; } = 128;

    /// <value>κ, updates between two sketches; at least 1. Default 1000 (Flora).</value>
    public long ResampleEvery { get; init; } = 1000;

    /// <value>Longest shape whose momentum is sketched, as long side over short side; at least 1. Default: any, or 4 under <see cref="Compatibility.ReferenceCode"/>, as in the authors' code.</value>
    public double? MaxAspectRatio { get; init; }

    /// <value>β₁, decay of the momentum, in [0, 1); 0 keeps none, and then nothing is sketched. Default 0.9 (in the authors' code: none).</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>Adafactor around the sketch. Its <see cref="AdafactorRule.Beta1"/> and <see cref="AdafactorRule.States"/> are taken from here. Default: relative to the weight's size (Flora).</value>
    public AdafactorRule Adafactor { get; init; } = new() { ScaleParameter = true };

    /// <value>How the momentum is stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <value>Draws the sketch's matrix, short side × r. Default: normal numbers of variance 1/r (Flora).</value>
    public IDrawnBasis Basis { get; init; } = new GaussianBasis();

    internal override DecayTiming Decay => DecayTiming.BeforeUpdate;

    internal FloraRule Rule => new()
    {
        Rank = Rank,
        ResampleEvery = ResampleEvery,
        MaxAspectRatio = MaxAspectRatio ?? (FollowsCode ? 4 : double.PositiveInfinity),
        Adafactor = Adafactor with { Beta1 = Beta1, States = States },
        Basis = Basis,
    };
}

/// <summary>Finds every violation in <see cref="FloraOptions"/> at once.</summary>
public sealed class FloraOptionsValidator : IValidateOptions<FloraOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, FloraOptions options) => new OptionsRules()
        .AtLeast(1, options.Rank)
        .AtLeast(1, options.ResampleEvery)
        .AtLeast(1, options.MaxAspectRatio ?? 1, nameof(options.MaxAspectRatio))
        .Fraction(options.Beta1)
        .Obey(options.Adafactor)
        .StoresMomentsIn(options.States)
        .Result;
}
