namespace LowRankTraining.Strategies;

/// <summary>Stable-SPAM: Adam behind a guard that learns how large gradients usually are, for training in few bits.</summary>
/// <remarks>
/// <para>Entries above the usual largest one are cut (AdaClip), the norm is brought to its usual size (AdaGN), the moments start again every ΔT updates
/// (MoRet), and β₁ may fall over training: see <see cref="StabilityGuard"/> and <see cref="MomentumSchedule"/>.</para>
/// <para>State of a matrix: Adam's 2mn numbers and three scalars.</para>
/// <para>Differences from the authors' code: the usual sizes are corrected with a clock of their own, so that AdaClip works after a reset too (there the
/// threshold is up to 500 times too large); the step of a reset uses the fresh moments. <see cref="Compatibility.ReferenceCode"/> follows them.</para>
/// <para>Source: Huang et al., Stable-SPAM, arXiv 2502.17055.</para>
/// </remarks>
public sealed record StableSpam : AdamMethod
{
    /// <inheritdoc/>
    public override string Name => "stable-spam";

    /// <value>θ, decay of the largest entry's average, in [0, 1). Default 0.999 (Stable-SPAM's γ₃).</value>
    public double ClipDecay { get; init; } = 0.999;

    /// <value>γ₁, decay of the norm's average, in [0, 1). Default 0.7 (Stable-SPAM); its recipe in bfloat16 has 0.85.</value>
    public double NormDecay { get; init; } = 0.7;

    /// <value>γ₂, decay of the squared norm's average, in [0, 1). Default 0.9 (Stable-SPAM); its recipe in bfloat16 has 0.99999.</value>
    public double SquaredNormDecay { get; init; } = 0.9;

    /// <value>ΔT, updates between two resets of the moments; 0 for never. Default 1000 (Stable-SPAM); its recipes in 4 bits have 500.</value>
    public long ResetEvery { get; init; } = 1000;

    /// <value>Updates over which β₁ and γ₁ fall to <see cref="FinalMomentum"/> times their value; null to keep them. Default null (Stable-SPAM's code).</value>
    public long? TotalSteps { get; init; }

    /// <value>The factor on β₁ and γ₁ that remains at the end, above 0 and at most 1. Default 0.5 (Stable-SPAM).</value>
    public double FinalMomentum { get; init; } = 0.5;

    private MomentumSchedule? Schedule => TotalSteps is { } steps ? new() { TotalSteps = steps, Final = FinalMomentum } : null;

    /// <inheritdoc/>
    protected override Targets? DefaultTargets => null;

    /// <inheritdoc/>
    protected override bool CodeHasPublishedAdam => true;

    /// <inheritdoc/>
    protected override AdamRule Adam => base.Adam with { MomentumSchedule = Schedule };

    private GuardedRule Guarded => new(Adam, new StabilityGuard
    {
        ClipDecay = ClipDecay,
        NormDecay = NormDecay,
        SquaredNormDecay = SquaredNormDecay,
        Epsilon = Epsilon,
        ResetEvery = ResetEvery,
        MomentumSchedule = Schedule,
        Compatibility = Compatibility,
    });

    /// <inheritdoc/>
    protected override UpdateRule RuleFor(in ParameterRole role)
    {
        DirectionRule rule = role.IsTarget ? Guarded : Adam;
        return role.IsTable ? rule.WithStates(TableStates) : rule;
    }

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .Fraction(ClipDecay)
            .Fraction(NormDecay)
            .Fraction(SquaredNormDecay)
            .AtLeast(0, ResetEvery)
            .AtLeast(1, TotalSteps)
            .Ratio(FinalMomentum)
            .Unused(TotalSteps is not null, FinalMomentum, 0.5, "TotalSteps is null, so that momentum stays");
    }
}
