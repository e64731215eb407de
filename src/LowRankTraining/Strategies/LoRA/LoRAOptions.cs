using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="LoRAStrategy"/>.</summary>
public sealed record LoRAOptions : WeightSpaceOptions
{
    /// <value>r, at least 1. Default 8 (PEFT).</value>
    public override int Rank { get; init; } = 8;

    /// <value>α, above 0. Default 8 (PEFT), so s = 1 at the default rank.</value>
    public override double Alpha { get; init; } = 8;
}

/// <summary>Finds every violation in <see cref="LoRAOptions"/> at once.</summary>
public sealed class LoRAOptionsValidator : IValidateOptions<LoRAOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, LoRAOptions options) => options.Rules().Result;
}
