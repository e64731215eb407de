namespace LowRankTraining.Strategies;

/// <summary>Muon: momentum whose singular values are all brought to 1, for the matrices of layers; AdamW for everything else.</summary>
/// <remarks>
/// <para>M ← μM + (1 − μ)G; O = polar(μM + (1 − μ)G), by Newton-Schulz; W ← (1 − ηλ) W − 0.2 η √max(m, n) O: see <see cref="PolarRule"/>.</para>
/// <para>State of a matrix: m n numbers, half of AdamW's; in 8 bits an eighth.</para>
/// <para>Differences from the authors' code: steps are scaled to AdamW's size (arXiv 2502.16982), so that one learning rate serves all parameters, and the
/// products of Newton-Schulz are those of float32. <see cref="Compatibility.ReferenceCode"/> has √max(1, m/n) and bfloat16 by default.</para>
/// <para>Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, https://kellerjordan.github.io/posts/muon/ (2024); Liu et al., Muon is
/// Scalable for LLM Training, arXiv 2502.16982.</para>
/// </remarks>
public sealed record Muon : AdamMethod
{
    private readonly bool? _inBFloat16;
    private readonly PolarScaling? _scaling;

    /// <summary>The defaults: β₂ of AdamW 0.95 (Muon's code).</summary>
    public Muon() => Beta2 = 0.95;

    /// <inheritdoc/>
    public override string Name => "muon";

    /// <value>μ, decay of the momentum, in [0, 1); 0 keeps none. Default 0.95 (Muon).</value>
    public double Momentum { get; init; } = 0.95;

    /// <value>Whether the update looks one step ahead. Default true (Muon).</value>
    public bool Nesterov { get; init; } = true;

    /// <value>Newton-Schulz steps, from 1 to 100; null for the exact polar factor, which takes far longer. Default 5 (Muon).</value>
    public int? NewtonSchulzSteps { get; init; } = 5;

    /// <value>Whether the products of Newton-Schulz are those of bfloat16: see <see cref="PolarRule.InBFloat16"/>. Default false; under
    /// <see cref="Compatibility.ReferenceCode"/> true, unless the polar factor is exact.</value>
    public bool InBFloat16 { get => _inBFloat16 ?? (FollowsCode && NewtonSchulzSteps is not null); init => _inBFloat16 = value; }

    /// <value>What steps on matrices are multiplied by. Default: <see cref="PolarScaling.RootMeanSquare"/>; under <see cref="Compatibility.ReferenceCode"/>
    /// <see cref="PolarScaling.AspectRatio"/>.</value>
    public PolarScaling Scaling { get => _scaling ?? (FollowsCode ? PolarScaling.AspectRatio : PolarScaling.RootMeanSquare); init => _scaling = value; }

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    /// <inheritdoc/>
    protected override UpdateRule RuleForTarget(in ParameterRole target) => new PolarRule
    {
        Momentum = Momentum,
        Nesterov = Nesterov,
        NewtonSchulzSteps = NewtonSchulzSteps,
        InBFloat16 = InBFloat16,
        Scaling = Scaling,
        States = States,
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Fraction(Momentum)
            .Unused(Momentum > 0, Nesterov, true, "there is no momentum")
            .Between(1, 100, NewtonSchulzSteps)
            .Unused(NewtonSchulzSteps is not null, InBFloat16, false, "the polar factor is exact")
            .Defined(Scaling);
    }
}
