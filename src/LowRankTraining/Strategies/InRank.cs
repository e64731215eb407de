using LowRankTraining.Factorized;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="InRankStrategy"/>. All steps are updates; micro-batches and evaluation do not count.</summary>
public sealed record InRank : FactorizedLayerMethod
{
    /// <value>c₀, the directions that count as needed at the start, at least 1. Default 2 (InRank).</value>
    public override int Rank { get; init; } = 2;

    /// <value>b, directions trained beyond those that are needed, at least 1. Default 100 (InRank).</value>
    public int Buffer { get; init; } = 100;

    /// <value>The most directions that are trained, as a share of the short side, in (0, 1]. Default 0.5 (the authors' code).</value>
    public double MaxShare { get; init; } = 0.5;

    /// <value>The share of the energy Σ σ² that the needed directions explain, in (0, 1). Default 0.9 (InRank; 0.8 gives smaller, slightly worse models).</value>
    public double Threshold { get; init; } = 0.9;

    /// <value>Steps without checks at the start, at least 0. Default 200 (InRank).</value>
    public long WarmupSteps { get; init; } = 200;

    /// <value>Steps from one check to the next, at least 1. Default 25 (InRank).</value>
    public long CheckEvery { get; init; } = 25;

    /// <value>Checks without growth in every layer after which the ranks settle, at least 1. Default 3 (ours; the authors fit the number of steps by hand).</value>
    public int StableChecks { get; init; } = 3;

    /// <value>The step after which the ranks settle in any case, at least 1; null for none. The authors' runs: 130, at a batch of 512. Default null.</value>
    public long? GrowSteps { get; init; }

    /// <value>What the factors are added to. Default: nothing, they are the weight (InRank-Efficient, the authors' code).</value>
    public InRankBase Base { get; init; }

    /// <value>Whose measure of what is explained: the paper's share of the energy, or the share of the variance of the singular values in the authors' code. Default: the paper's.</value>
    public Compatibility Compatibility { get; init; }

    internal GrowthRule Growth => new(Rank, Buffer, MaxShare, Threshold, Compatibility);
}

/// <summary>What InRank's factors are added to.</summary>
public enum InRankBase
{
    /// <summary>Nothing: W = U V. The weights that were there are forgotten, and so is their memory.</summary>
    Efficient,

    /// <summary>The weights that were there, frozen: W = W₀ + U V, with U V = 0 at the start.</summary>
    Keep,
}

/// <summary>Finds every violation in <see cref="InRank"/> at once.</summary>
public sealed class InRankOptionsValidator : IValidateOptions<InRank>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, InRank options) => options.LayerRules()
        .AtLeast(1, options.Buffer)
        .Require(options.MaxShare is > 0 and <= 1, FormattableString.Invariant($"MaxShare is {options.MaxShare}: it must be above 0 and at most 1."))
        .Require(options.Threshold is > 0 and < 1, FormattableString.Invariant($"Threshold is {options.Threshold}: it must be above 0 and below 1."))
        .AtLeast(0, options.WarmupSteps)
        .AtLeast(1, options.CheckEvery)
        .AtLeast(1, options.StableChecks)
        .Require(options.GrowSteps is null or >= 1, $"GrowSteps is {options.GrowSteps}: it must be at least 1, or null.")
        .OneOf(options.Base, Enum.GetValues<InRankBase>())
        .OneOf(options.Compatibility, Enum.GetValues<Compatibility>())
        .Result;
}
