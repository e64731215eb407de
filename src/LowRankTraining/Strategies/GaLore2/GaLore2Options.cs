using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="GaLore2Strategy"/>.</summary>
public sealed record GaLore2Options : GradientSpaceOptions
{
    /// <summary>The defaults: a new subspace every 500 steps (GaLore, 7B).</summary>
    public GaLore2Options() => RefreshEvery = 500;

    /// <value>α, a factor on the projected update; above 0. Default 0.25 (GaLore).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>p, extra columns of the sketch; at least 0. Default 8 (Halko et al. advise 5 to 10).</value>
    public int Oversampling { get; init; } = 8;

    /// <value>q, passes of power iteration; at least 0. Default 1.</value>
    public int PowerIterations { get; init; } = 1;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    internal override IBasis DefaultBasis => new RandomizedSvdBasis { Oversampling = Oversampling, PowerIterations = PowerIterations };
}

/// <summary>Finds every violation in <see cref="GaLore2Options"/> at once.</summary>
public sealed class GaLore2OptionsValidator : IValidateOptions<GaLore2Options>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, GaLore2Options options) => options.Rules()
        .Above(0, options.Scale)
        .AtLeast(0, options.Oversampling)
        .AtLeast(0, options.PowerIterations)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Fits(GaLore2Strategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
