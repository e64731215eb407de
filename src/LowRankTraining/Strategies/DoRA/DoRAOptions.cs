using LowRankTraining.Adapters;
using LowRankTraining.Checkpoints;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="DoRAStrategy"/>.</summary>
public sealed record DoRAOptions : FactorOptions
{
    /// <value>r, at least 1. Default 8 (PEFT).</value>
    public override int Rank { get; init; } = 8;

    /// <value>α, above 0. Default 8 (PEFT), so s = 1 at the default rank.</value>
    public override double Alpha { get; init; } = 8;

    /// <value>Whether the norm of W + s B A has a gradient, as the equations have it. Default false: it is a constant, which costs less memory and hardly any quality (DoRA, section 4.3).</value>
    public bool NormGradient { get; init; }

    /// <value>How the gradients of A and B are projected: GradNormLoRP from the weight side. Its Rank is that of the projection, on both sides by default, and no more than the factors'.
    /// Null for plain Adam. Default: null.</value>
    public GradNormLoRP? Projected { get; init; }

    /// <summary>The options of a DoRA adapter that PEFT, or <see cref="PeftAdapter.Save"/>, wrote.</summary>
    /// <inheritdoc cref="LoRAOptions.FromPeft" path="/param|/exception"/>
    public static DoRAOptions FromPeft(string folder)
    {
        var config = PeftConfig.Read(folder, usesDoRA: true);
        return new DoRAOptions
        {
            Rank = config.Rank,
            Alpha = config.Alpha,
            RankPattern = config.RankPattern,
            AlphaPattern = config.AlphaPattern,
            RankStabilized = config.RankStabilized,
            Dropout = config.Dropout,
            TrainOthers = false,
        };
    }
}

/// <summary>Finds every violation in <see cref="DoRAOptions"/> at once.</summary>
public sealed class DoRAOptionsValidator : IValidateOptions<DoRAOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, DoRAOptions options)
    {
        var rules = options.FactorRules()
            .Require(options.Injection != Injection.Shadow, $"{nameof(options.Injection)} is Shadow, by which DoRA cannot enter a model: it needs the frozen weight beside the trained one. Use Replace, Hook or Auto.");
        foreach (var failure in options.Projected is { } projected ? Checks.Of(projected) : [])
            rules.Require(false, $"{nameof(options.Projected)}: {failure}");
        return rules.Result;
    }
}
