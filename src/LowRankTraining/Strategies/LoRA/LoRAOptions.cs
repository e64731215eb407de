using LowRankTraining.Adapters;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>Options of <see cref="LoRAStrategy"/>.</summary>
public sealed record LoRAOptions : FactorOptions
{
    /// <value>r, at least 1. Default 8 (PEFT).</value>
    public override int Rank { get; init; } = 8;

    /// <value>α, above 0. Default 8 (PEFT), so s = 1 at the default rank.</value>
    public override double Alpha { get; init; } = 8;

    /// <value>What the factors start from. Default: A uniform, B zero (PEFT).</value>
    public FactorInit Init { get; init; }

    /// <value>γ of <see cref="FactorInit.LoRAGA"/>: its factors are larger by 1/√γ each; above 0. Default 16 (the authors' code).</value>
    public double GradientGamma { get; init; } = 16;
}

/// <summary>Finds every violation in <see cref="LoRAOptions"/> at once.</summary>
public sealed class LoRAOptionsValidator : IValidateOptions<LoRAOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, LoRAOptions options) => options.FactorRules()
        .OneOf(options.Init, Enum.GetValues<FactorInit>())
        .Above(0, options.GradientGamma)
        .Result;
}
