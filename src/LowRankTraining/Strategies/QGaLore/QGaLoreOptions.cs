using LowRankTraining.Numerics;
using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="QGaLoreStrategy"/>.</summary>
public sealed record QGaLoreOptions : GradientSpaceOptions
{
    /// <summary>Q-GaLore's formats: 4-bit bases, 8-bit moments.</summary>
    public QGaLoreOptions()
    {
        BasisFormat = StateFormat.Affine4Bit;
        States = StateFormat.Blockwise8Bit;
    }

    /// <value>α, a factor on the projected update; above 0. Default 0.25 (Q-GaLore).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>Which side of the gradient is compressed. Default: the short one (the only choice of the authors).</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    /// <value>Mean similarity of old and new subspaces from which the gap between refreshes grows, in (0, 1]. Default 0.4 (Q-GaLore).</value>
    public double SimilarityThreshold { get; init; } = 0.4;

    /// <value>γ, what the gap is multiplied by; above 1. Default 2 (Q-GaLore).</value>
    public double GapGrowth { get; init; } = 2;

    /// <value>Similarities that are averaged; at least 1. Default 5 (Q-GaLore).</value>
    public int RememberedSimilarities { get; init; } = 5;

    /// <value>Whether the projected weights of linear layers are kept in 8 bits. Needs the model: a list of parameters is trained as it is. Default true (Q-GaLore).</value>
    public bool QuantizesWeights { get; init; } = true;

    /// <value>Numbers of an 8-bit weight that share a scale; at least 1. Default 256 (Q-GaLore).</value>
    public int WeightGroup { get; init; } = AffineQuantization.DefaultGroup;

    /// <summary>The authors' 8-bit Adam adds ε after correction, as the paper does.</summary>
    internal override double CodeEpsilon => 1e-8;

    internal override AdamRule Adam => base.Adam with { EpsilonAfterCorrection = true };

    /// <summary>Similarity is to be measured between subspaces that were found independently.</summary>
    internal override IBasis DefaultBasis => ColdBasis;
}

/// <summary>Finds every violation in <see cref="QGaLoreOptions"/> at once.</summary>
public sealed class QGaLoreOptionsValidator : IValidateOptions<QGaLoreOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, QGaLoreOptions options) => options.Rules()
        .Above(0, options.Scale)
        .OneOf(options.Side, Enum.GetValues<ProjectionSide>())
        .Above(0, options.SimilarityThreshold)
        .Require(!(options.SimilarityThreshold > 1), $"{nameof(options.SimilarityThreshold)} is above 1, which no similarity is: the gap would never grow.")
        .Above(1, options.GapGrowth)
        .AtLeast(1, options.RememberedSimilarities)
        .AtLeast(1, options.WeightGroup)
        .Require(!options.Staggered || options.Refresh is not null, $"{nameof(options.Staggered)} has no effect on lazy refreshes, which drift apart by themselves: leave it out, or set {nameof(options.Refresh)}.")
        .Fits(QGaLoreStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
