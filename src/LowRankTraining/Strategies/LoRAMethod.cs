namespace LowRankTraining.Strategies;

/// <summary>What LoRA and the methods closest to it have in common: factors B A beside weights, whose rank and α can be chosen layer by layer.</summary>
public abstract record LoRAMethod : WeightSpaceMethod
{
    /// <value>Whether what is not adapted (embeddings, head, norms, biases) is trained too, by full-rank Adam. Default false, as in PEFT.</value>
    public override bool TrainOthers { get; init; }

    /// <value>Ranks of single layers, in place of <see cref="WeightSpaceMethod.Rank"/>: a name, or the end of one from a dot on, or a regular expression for
    /// either, such as "q_proj" or "layers\.[01]\..*". A pattern with "weight" in it is for the weight's name too. The first that matches counts, as in PEFT:
    /// write exact names first. One that matches no adapted layer is an error. Default: none.</value>
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

    /// <value>Makes a layer with factors for a plain one, given the rank r, the scale s and a seed; null for the usual one, y = x (W + s B A)ᵀ + b. A layer of
    /// another kind cannot be shadowed. Default null.</value>
    protected virtual Func<Linear, int, double, ulong, FactorLayer>? Layer => null;

    /// <value>The values that the factors start with, A r × n and B m × r, for a weight m × n in float32 or float64, the rank r, the scale s and a seed. s B A
    /// leaves the weight, so that the model computes what it did. Null for the usual ones, A uniform in ±1/√n and B zero. Default null.</value>
    protected virtual Func<Tensor, long, double, ulong, (Tensor A, Tensor B)>? Start => null;

    /// <summary>s, for the α of a layer and its rank. Default: α/r, or α/√r with <see cref="WeightSpaceMethod.RankStabilized"/>.</summary>
    protected virtual double ScaleFor(double alpha, long rank) => ScaleOf(alpha, rank);

    /// <summary>How often the factors have been merged into their weights and drawn again after so many steps, with cleared moments. Default: never.</summary>
    /// <param name="step">Completed steps, from 0.</param>
    /// <returns>A function of the step alone that never falls, so that a resumed run goes on as it would have.</returns>
    protected virtual long MergesAfter(long step) => 0;

    private protected virtual FactorStart FactorStart => Start is { } start ? new DecomposingStart(start) : FactorStart.Kaiming;

    private protected virtual FactorStart? NextStart => null;

    /// <value>What is done with the factors besides training them.</value>
    private protected virtual IEnumerable<FactorFeature?> Features => [new Restart(MergesAfter)];

    private protected sealed override bool ChoosesRanksByName => true;

    private protected sealed override bool AsksForRanks => base.AsksForRanks || RankPattern is { Count: > 0 } || Overrides.Any(row => row.Rank is not null);

    private protected virtual MergeRounding MergeRounding => MergeRounding.Stochastic;

    private protected sealed override AdapterMethod Method
    {
        get
        {
            var choices = new LayerPatterns(RankPattern, AlphaPattern);
            var factors = FactorsWith([choices, Layer is { } layer ? new CustomLayer(layer) : null, .. Features]);
            var told = factors with { LearningRateRatio = LearningRateRatio, Start = FactorStart, NextStart = NextStart, Rounding = MergeRounding };
            return new FactorMethod(told)
            {
                RanksOf = sites => [.. sites.Select(site => choices.RankOf(site) ?? factors.OwnOf(site.Names)?.Rank ?? (long)Rank)],
                ScaleOf = (site, rank) => ScaleFor(choices.AlphaOf(site) ?? factors.OwnOf(site.Names)?.Scale ?? Alpha, rank),
            };
        }
    }

    /// <summary>Reports a quantized base that is in no format, or whose layers cannot be replaced.</summary>
    private protected void CheckBase(Checks checks, BaseFormat format) => checks.Defined(format, "Base").Require(
        format == BaseFormat.Dense || Injection is Injection.Auto or Injection.Replace,
        $"{checks.PathOf("Base")} is {format}, which needs layers of its own: Injection is {Injection}, and must be Auto or Replace.");
}

/// <summary>Factors in a layer of another kind than the usual one.</summary>
internal sealed class CustomLayer(Func<Linear, int, double, ulong, FactorLayer> make) : FactorFeature
{
    /// <value>The weight's gradient is that of the merged weight, whose parts could be told from each other only with the frozen weight kept beside it.</value>
    public override bool AllowsShadow => false;

    public override FactorLayer? Layer(Linear plain, Injection way, FactorSettings settings, int rank, ulong key) => make(plain, rank, settings.Scale, key);
}
