using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="FrugalStrategy"/>.</summary>
/// <remarks><see cref="GradientSpaceOptions.Rank"/> is not used: <see cref="Density"/> takes its place.</remarks>
public sealed record FrugalOptions : GradientSpaceOptions
{
    /// <value>ρ, share of the short side that has Adam's state, in (0, 1]. Default 0.25 (FRUGAL).</value>
    public double Density { get; init; } = 0.25;

    /// <value>How the part with state is chosen. Default: coordinates of the short side at random (FRUGAL, "columns").</value>
    public FrugalSplit Split { get; init; }

    /// <value>What is done in the rest. Default: the sign of the gradient (FRUGAL).</value>
    public StateFreeStep Outside { get; init; }

    /// <value>α, a factor on the step inside; above 0. Default 1 (FRUGAL).</value>
    public double Scale { get; init; } = 1;

    /// <value>κ, a factor on the step in the rest; at least 0. Default 1 (FRUGAL, pre-training); 0.1 for fine-tuning.</value>
    public double ResidualScale { get; init; } = 1;

    /// <value>Whether the moments survive a renewal (then <see cref="GradientSpaceOptions.OnRefresh"/> says how) instead of starting from zero. Default false (FRUGAL).</value>
    public bool KeepsMoments { get; init; }

    internal override IBasis DefaultBasis => Split switch
    {
        FrugalSplit.SingularVectors => ColdBasis,
        FrugalSplit.Random => new RandomOrthonormalBasis(),
        _ => new CoordinateBasis(),
    };

    /// <summary>FRUGAL's code decays before the update, as the paper does.</summary>
    internal override DecayTiming Decay => DecayTiming.BeforeUpdate;

    internal override double CodeEpsilon => 1e-8;

    internal override AdamRule Adam => base.Adam with { EpsilonAfterCorrection = true };
}

/// <summary>How FRUGAL chooses the part of the space that has Adam's state.</summary>
public enum FrugalSplit
{
    /// <summary>Rows or columns along the short side, at random.</summary>
    Coordinates,

    /// <summary>The leading singular vectors of the gradient.</summary>
    SingularVectors,

    /// <summary>A random subspace.</summary>
    Random,

    /// <summary>Whole matrices, which take turns.</summary>
    Blocks,
}

/// <summary>Finds every violation in <see cref="FrugalOptions"/> at once.</summary>
public sealed class FrugalOptionsValidator : IValidateOptions<FrugalOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, FrugalOptions options) => options.Rules()
        .Above(0, options.Density)
        .Require(options.Density <= 1, $"Density is {options.Density}: it must be at most 1.")
        .Require(options.Split != FrugalSplit.Blocks || Math.Abs(1 / options.Density - Math.Round(1 / options.Density)) < 1e-6, $"Density is {options.Density}: by blocks one matrix in so many has its turn, so it must be 1/2, 1/3, 1/4, ...")
        .OneOf(options.Split, Enum.GetValues<FrugalSplit>())
        .OneOf(options.Outside, Enum.GetValues<StateFreeStep>())
        .Above(0, options.Scale)
        .AtLeast(0, options.ResidualScale)
        .Fits(FrugalStrategy.Recipe(options), options.AccumulatesInSubspace)
        .Result;
}
