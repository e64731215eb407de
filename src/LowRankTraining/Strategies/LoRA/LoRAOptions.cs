using LowRankTraining.Adapters;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="LoRAStrategy"/>.</summary>
public sealed record LoRAOptions : WeightSpaceOptions
{
    /// <value>r, at least 1. Default 8 (PEFT).</value>
    public override int Rank { get; init; } = 8;

    /// <value>α, above 0. Default 8 (PEFT), so s = 1 at the default rank.</value>
    public override double Alpha { get; init; } = 8;

    /// <value>How the frozen weights are kept. Formats other than <see cref="BaseFormat.Dense"/> need layers that can be replaced (<see cref="Injection.Replace"/>); the others stay dense, with a warning,
    /// or an error under <see cref="WeightSpaceOptions.Strict"/>. Float32 and half-precision weights only. Default: as they are.</value>
    public BaseFormat Base { get; init; }
}

/// <summary>Finds every violation in <see cref="LoRAOptions"/> at once.</summary>
public sealed class LoRAOptionsValidator : IValidateOptions<LoRAOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, LoRAOptions options) => options.Rules().QuantizesBy(options.Base, options.Injection).Result;
}
