using LowRankTraining.Factorized;
using LowRankTraining.Sparse;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="SLTrainStrategy"/>.</summary>
public sealed record SLTrain : WeightSpaceMethod
{
    /// <value>r, at least 1. Default 128 (the authors' script for 60 million parameters; 256 for 130 and 350 million, 512 for 1 billion, 1024 for 7 billion).</value>
    public override int Rank { get; init; } = 128;

    /// <value>Ranks by name, for instance of a <see cref="WeLorePlan"/>; a matrix that has none there gets <see cref="Rank"/>, and the scale is the same for all. Default: none.</value>
    public RankAllocation? Ranks { get; init; }

    /// <value>α, above 0. Default 32 (the authors' script for 60 million parameters, so s = 0.25; 16 for 130 and 350 million, 8 above).</value>
    public override double Alpha { get; init; } = 32;

    /// <value>δ, share of a matrix's entries that its sparse part has, in (0, 1): ⌊δ m n⌋ of them, and one where that is none (an error under <see cref="WeightSpaceMethod.Strict"/>). Default 0.03 (SLTrain; 0.05 for 7 billion parameters).</value>
    public double Density { get; init; } = 0.03;

    /// <value>What becomes of the weights that the model has. Default: they are discarded and training starts from scratch, as in the paper.</value>
    public WeightStart Start { get; init; }

    /// <value>How the support is kept. Default: by number, 4 bytes a value.</value>
    public SupportStorage Storage { get; init; }

    /// <value>Whether the sparse values are drawn from U(±1/√(δ n)), so that outputs start with the variance of a plain layer's; otherwise they start √δ as large. Default false (the authors' code).</value>
    public bool PreservesVariance { get; init; }
}

/// <summary>Finds every violation in <see cref="SLTrain"/> at once.</summary>
public sealed class SLTrainOptionsValidator : IValidateOptions<SLTrain>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, SLTrain options) => options.Rules()
        .Require(options.Density is > 0 and < 1, FormattableString.Invariant($"Density is {options.Density}: it must be above 0 and below 1."))
        .Require(options.Dropout == 0, FormattableString.Invariant($"Dropout is {options.Dropout}: there is nothing beside the weight that it could act on. Leave it at 0."))
        .Require(options.Ranks?.Ranks.Values.All(rank => rank >= 1) != false, "Ranks holds a rank below 1.")
        .OneOf(options.Start, Enum.GetValues<WeightStart>())
        .OneOf(options.Storage, Enum.GetValues<SupportStorage>())
        .Result;
}
