using LowRankTraining.Layers;

namespace LowRankTraining.Strategies;

/// <summary>What LoRA and the methods closest to it have in common: factors B A beside weights, whose rank and α can be chosen layer by layer.</summary>
public abstract record LoRAMethod : WeightSpaceMethod
{
    /// <value>Ranks of single layers, in place of <see cref="WeightSpaceMethod.Rank"/>: a name, or the end of one from a dot on, or a regular expression for
    /// either, such as "q_proj" or "layers\.[01]\..*". The weight's name counts too. The first that matches counts, as in PEFT: write exact names first. One
    /// that matches no adapted layer is an error. Default: none.</value>
    /// <remarks>The names and their meaning are PEFT's.</remarks>
    public IReadOnlyDictionary<string, int>? RankPattern { get; init; }

    /// <value>α of single layers, in place of <see cref="WeightSpaceMethod.Alpha"/>; names as in <see cref="RankPattern"/>. Default: none.</value>
    public IReadOnlyDictionary<string, double>? AlphaPattern { get; init; }

    /// <value>η_B / η_A, how much faster B learns than A; above 0. Hayou et al. advise 16 for fine-tuning (LoRA+, arXiv 2402.12354). Default 1.</value>
    public double LearningRateRatio { get; init; } = 1;

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.Above(0, LearningRateRatio)
            .NoEffect(Dropout > 0 && Injection == Injection.Shadow, nameof(Dropout), "Injection is Shadow, and shadowed layers see no inputs. Leave it at 0.");
        foreach (var (name, rank) in RankPattern ?? new Dictionary<string, int>())
            checks.Require(rank >= 1, $"{checks.PathOf(nameof(RankPattern))} gives '{name}' the rank {rank}: it must be at least 1.");
        foreach (var (name, alpha) in AlphaPattern ?? new Dictionary<string, double>())
            checks.Require(alpha > 0 && double.IsFinite(alpha),
                FormattableString.Invariant($"{checks.PathOf(nameof(AlphaPattern))} gives '{name}' the α {alpha}: it must be above 0."));
        foreach (var name in (RankPattern?.Keys ?? []).Concat(AlphaPattern?.Keys ?? []).Distinct())
            checks.Require(NamePattern.IsValid(name),
                $"'{name}' in {nameof(RankPattern)} or {nameof(AlphaPattern)} is neither a name nor a regular expression.");
    }

    /// <summary>Reports a quantized base that is in no format, or whose layers cannot be replaced.</summary>
    private protected void CheckBase(Checks checks, BaseFormat format) => checks.Defined(format, "Base").Require(
        format == BaseFormat.Dense || Injection is Injection.Auto or Injection.Replace,
        $"{checks.PathOf("Base")} is {format}, which needs layers of its own: Injection is {Injection}, and must be Auto or Replace.");
}
