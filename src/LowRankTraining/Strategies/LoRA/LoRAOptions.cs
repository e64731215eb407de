using LowRankTraining.Adapters;
using LowRankTraining.Schedules;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="LoRAStrategy"/>.</summary>
public sealed record LoRAOptions : WeightSpaceOptions
{
    /// <value>r, at least 1. Default 8 (PEFT).</value>
    public override int Rank { get; init; } = 8;

    /// <value>α, above 0. Default 8 (PEFT), so s = 1 at the default rank.</value>
    public override double Alpha { get; init; } = 8;

    /// <value>How the rank changes while the factors are trained, or null where it does not. The model's function stays: what a lower rank cannot hold is merged into the weight, and new rows of A
    /// meet columns of zeros in B. Default null.</value>
    public IRankSchedule? RankSchedule { get; init; }

    /// <value>What becomes of the factors' optimizer state when their rank changes. Default: it follows.</value>
    public RankChangeState OnRankChange { get; init; }
}

/// <summary>Finds every violation in <see cref="LoRAOptions"/> at once.</summary>
public sealed class LoRAOptionsValidator : IValidateOptions<LoRAOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, LoRAOptions options) => options.Rules()
        .Obey(options.RankSchedule)
        .OneOf(options.OnRankChange, Enum.GetValues<RankChangeState>())
        .Result;
}
