using LowRankTraining.Adapters;
using LowRankTraining.Checkpoints;
using LowRankTraining.Schedules;
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

    /// <summary>The options of an adapter that PEFT, or <see cref="PeftAdapter.Save"/>, wrote. Everything else stays frozen, as in PEFT.</summary>
    /// <param name="folder">Where <c>adapter_config.json</c> is.</param>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    /// <exception cref="InvalidDataException">It is damaged, of another kind of adapter, or asks for what this library does not do.</exception>
    public static LoRAOptions FromPeft(string folder)
    {
        var config = PeftConfig.Read(folder, usesDoRA: false);
        return new LoRAOptions
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

    /// <value>How the rank changes while the factors are trained, or null where it does not. The model's function stays: what a lower rank cannot hold is merged into the weight, and new rows of A
    /// meet columns of zeros in B. Default null.</value>
    public IRankSchedule? RankSchedule { get; init; }

    /// <value>What becomes of the factors' optimizer state when their rank changes. Default: it follows.</value>
    public RankChangeState OnRankChange { get; init; }

    /// <value>How the frozen weights are kept. Formats other than <see cref="BaseFormat.Dense"/> need layers that can be replaced (<see cref="Injection.Replace"/>); the others stay dense, with a warning,
    /// or an error under <see cref="WeightSpaceOptions.Strict"/>. Float32 and half-precision weights only. Default: as they are.</value>
    public BaseFormat Base { get; init; }
}

/// <summary>Finds every violation in <see cref="LoRAOptions"/> at once.</summary>
public sealed class LoRAOptionsValidator : IValidateOptions<LoRAOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, LoRAOptions options) => options.FactorRules()
        .OneOf(options.Init, Enum.GetValues<FactorInit>())
        .Above(0, options.GradientGamma)
        .Obey((IPart?)options.RankSchedule)
        .OneOf(options.OnRankChange, Enum.GetValues<RankChangeState>())
        .QuantizesBy(options.Base, options.Injection)
        .Require(options.Base == BaseFormat.Dense || options.Init != FactorInit.LoRAGA, $"{nameof(FactorInit.LoRAGA)} takes its start out of a dense weight: leave Base at Dense, or start with PiSSA.")
        .Result;
}
