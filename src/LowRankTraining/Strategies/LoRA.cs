using LowRankTraining.Schedules;

namespace LowRankTraining.Strategies;

/// <summary>LoRA: trains low-rank factors beside frozen weights.</summary>
/// <remarks>
/// <para>y = x (W + s B A)ᵀ with s = α/r, A random and B zero at the start. <see cref="ILowRankSession.Finish"/> merges the factors.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) numbers, beside r (m + n) for the factors. Weight decay is not applied to factors.</para>
/// <para>Differences from the paper: none by default. What is not adapted stays frozen, unless <see cref="LoRAMethod.TrainOthers"/> says otherwise.</para>
/// <para>Source: Hu et al., LoRA, arXiv 2106.09685.</para>
/// </remarks>
public sealed record LoRA : LoRAMethod
{
    private const double UsualGamma = 16;

    /// <inheritdoc/>
    public override string Name => "lora";

    /// <value>r, at least 1. Default 8 (PEFT).</value>
    protected override int DefaultRank => 8;

    /// <value>α, above 0. Default 8 (PEFT), so s = 1 at the default rank.</value>
    public override double Alpha { get; init; } = 8;

    /// <value>What the factors start from. Default: A uniform, B zero (PEFT).</value>
    public FactorInit Init { get; init; }

    /// <value>γ of <see cref="FactorInit.LoRAGA"/>: its factors are larger by 1/√γ each; above 0. Default 16 (the authors' code).</value>
    public double GradientGamma { get; init; } = UsualGamma;

    /// <value>How the rank changes while the factors are trained, or null where it does not. The model's function stays: what a lower rank cannot hold is
    /// merged into the weight, and new rows of A meet columns of zeros in B. Default null.</value>
    public IRankSchedule? RankSchedule { get; init; }

    /// <value>Whether the factors' moments and step counters start from zero when their rank changes. Default false: they follow, first moments by the linear
    /// map that gradients follow, second moments by its squared entries. New rows start with the mean of the others' second moments, so that their first steps
    /// are not larger than those of the rest.</value>
    public bool ResetsOnRankChange { get; init; }

    /// <value>How the frozen weights are kept. Formats other than <see cref="BaseFormat.Dense"/> need layers that can be replaced
    /// (<see cref="Injection.Replace"/>);
    /// the others stay dense, with a warning, or an error under <see cref="WeightSpaceMethod.Strict"/>. Float32 and half-precision weights only.
    /// Default: as they are.</value>
    public BaseFormat Base { get; init; }

    private protected override FactorStart FactorStart => FactorStart.Of(Init, GradientGamma);

    private protected override IEnumerable<FactorFeature?> Features =>
    [
        Base == BaseFormat.Dense ? null : new QuantizedBase(Base),
        RankSchedule is null ? null : new RankChange(RankSchedule, ResetsOnRankChange),
    ];

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        CheckBase(checks, Base);
        checks.Defined(Init)
            .Above(0, GradientGamma)
            .NoEffect(GradientGamma != UsualGamma && Init != FactorInit.LoRAGA, nameof(GradientGamma), $"it belongs to FactorInit.LoRAGA, and Init is {Init}.")
            .OptionalPart(RankSchedule)
            .NoEffect(ResetsOnRankChange && RankSchedule is null, nameof(ResetsOnRankChange), "there is no RankSchedule. Set one, or leave it out.")
            .Require(Base == BaseFormat.Dense || Init != FactorInit.LoRAGA,
                $"{nameof(FactorInit.LoRAGA)} takes its start out of a dense weight: leave Base at Dense, or start with PiSSA.");
    }
}
