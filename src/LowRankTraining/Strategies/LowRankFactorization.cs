using LowRankTraining.Factorized;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="FactorizedStrategy"/>.</summary>
public sealed record LowRankFactorization : FactorizedLayerMethod
{
    /// <value>k, at least 1. Default 128 (the baseline of the tables of GaLore and SLTrain, at 60 million parameters).</value>
    public override int Rank { get; init; } = 128;

    /// <value>Ranks by name, for instance of a <see cref="WeLorePlan"/>; a matrix that has none there gets <see cref="Rank"/>. Default: none.</value>
    public RankAllocation? Ranks { get; init; }

    /// <value>What the factors start from. Default: the weight's singular value decomposition.</value>
    public FactorizedInit Init { get; init; }
}

/// <summary>Finds every violation in <see cref="LowRankFactorization"/> at once.</summary>
public sealed class FactorizedOptionsValidator : IValidateOptions<LowRankFactorization>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, LowRankFactorization options) => options.LayerRules()
        .OneOf(options.Init, Enum.GetValues<FactorizedInit>())
        .Require(options.Ranks?.Ranks.Values.All(rank => rank >= 1) != false, "Ranks holds a rank below 1.")
        .Result;
}
