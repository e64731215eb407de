namespace LowRankTraining.Strategies;

/// <summary>DoRA: low-rank factors turn the rows of frozen weights, and every row gets a trainable length.</summary>
/// <remarks>
/// <para>W′ = diag(m / c) (W + s B A) with c = ‖W + s B A‖ of every row, a constant to the backward pass; A random, B zero and m = ‖W‖ at the start.
/// <see cref="ILowRankSession.Finish"/> leaves W′.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) + 2 m numbers, beside r (m + n) + m for factors and magnitudes.</para>
/// <para>With <see cref="Projected"/> it is GradNormLoRP as its paper has it: magnitudes, factors, and their gradients projected from both sides.</para>
/// <para>Differences from the authors' code: the norm is found without making B A. Weight decay is not applied to factors and magnitudes. What is not adapted
/// stays frozen, unless <see cref="LoRAMethod.TrainOthers"/> says otherwise.</para>
/// <para>Source: Liu et al., DoRA, arXiv 2402.09353; Huang et al., GradNormLoRP, arXiv 2412.19616.</para>
/// </remarks>
public sealed record DoRA : LoRAMethod
{
    /// <inheritdoc/>
    public override string Name => "dora";

    /// <value>r: 8 (PEFT).</value>
    protected override int DefaultRank => 8;

    /// <inheritdoc cref="LoRA.Alpha"/>
    public override double Alpha { get; init; } = 8;

    /// <value>Whether the norm of W + s B A has a gradient, as the equations have it. Default false: it is a constant, which costs less memory and hardly any
    /// quality (DoRA, section 4.3).</value>
    public bool NormGradient { get; init; }

    /// <value>How the gradients of A and B are projected: GradNormLoRP from the weight side. Its Rank is that of the projection, on both sides by default,
    /// and no more than the factors'. Null for plain Adam. Default: null.</value>
    public GradNormLoRP? Projected { get; init; }

    /// <inheritdoc/>
    protected override Func<Linear, int, double, ulong, FactorLayer> Layer =>
        (plain, rank, scale, key) => new DoRALinear(plain, rank, scale, Dropout, key, NormGradient);

    private protected override IEnumerable<FactorFeature?> Features => [Projected is null ? null : new ProjectedFactors(Projected)];

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.OptionalPart(Projected).Require(Injection != Injection.Shadow,
            $"{checks.PathOf(nameof(Injection))} is Shadow, by which DoRA cannot enter a model: it needs the frozen weight beside the trained one. "
            + "Use Replace, Hook or Auto.");
    }
}
