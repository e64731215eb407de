namespace LowRankTraining.Parts;

/// <summary>Adafactor: a second moment of rows and columns only, and a limit on the size of the update.</summary>
/// <remarks>
/// <para>U = G / √V with the factored V of β_t = 1 − tᵈ; U ← U / max(1, RMS(U) / threshold); U ← ρ U; with β₁: M ← β₁M + (1 − β₁)U and the update is M, else
/// U. ρ = max(ε₂, RMS(W)) with <see cref="ScaleParameter"/>, times min(10⁻², 1/√t) with <see cref="RelativeStep"/> (10⁻⁶t for 10⁻² under
/// <see cref="WarmupInit"/>), else 1; weight decay is multiplied by it too.</para>
/// <para>State of an m × n gradient: <c>exp_avg_sq_row</c> (m), <c>exp_avg_sq_col</c> (n), in float32; with β₁ <c>exp_avg</c> (m × n), in
/// <see cref="States"/>; counter <c>step</c>. A gradient of more than two dimensions is treated as out × rest, a vector has a whole <c>exp_avg_sq</c>.</para>
/// <para>ρ is inside the average and the learning rate outside: equal to the common implementation while the learning rate is constant.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Shazeer and Stern, arXiv 1804.04235, algorithms 4 and 5. Defaults are those of GaLore's training script (no first moment, no relative
/// step).</para>
/// </remarks>
public sealed record AdafactorRule : DirectionRule
{
    /// <value>β₁, decay of the first moment, in [0, 1); 0 keeps none. Default 0 (Adafactor).</value>
    public double Beta1 { get; init; }

    /// <value>d, exponent of the second moment's decay, below 0. Default −0.8 (Adafactor).</value>
    public double DecayRate { get; init; } = -0.8;

    /// <value>Largest root mean square of an update before ρ, above 0. Default 1 (Adafactor).</value>
    public double ClipThreshold { get; init; } = 1;

    /// <value>ε₁, added to the squared gradient, above 0. Default 1e-30 (Adafactor).</value>
    public double Epsilon1 { get; init; } = 1e-30;

    /// <value>ε₂, the smallest root mean square of a weight that counts, above 0. Default 1e-3 (Adafactor).</value>
    public double Epsilon2 { get; init; } = 1e-3;

    /// <value>Whether steps are relative to the weight's root mean square: of the whole weight, also inside a subspace. Default false.</value>
    public bool ScaleParameter { get; init; }

    /// <value>Whether steps shrink as 1/√t by themselves; the learning rate is then a factor, usually 1. Default false.</value>
    public bool RelativeStep { get; init; }

    /// <value>Whether a relative step starts near zero. Default false.</value>
    public bool WarmupInit { get; init; }

    /// <value>How the first moment is stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .Fraction(Beta1)
        .Require(DecayRate < 0 && double.IsFinite(DecayRate),
            FormattableString.Invariant($"{checks.PathOf(nameof(DecayRate))} is {DecayRate}: it must be below 0."))
        .Above(0, ClipThreshold)
        .Above(0, Epsilon1)
        .Above(0, Epsilon2)
        .Require(RelativeStep || !WarmupInit,
            $"{checks.PathOf(nameof(WarmupInit))} is set without RelativeStep: it is the start of a relative step. Set both, or use a learning-rate schedule.")
        .Moments(States);

    /// <inheritdoc/>
    public override AdafactorRule WithStates(StateFormat states) => this with { States = states };

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments => Beta1 > 0 ? [First] : [];

    /// <inheritdoc/>
    public override bool NeedsFixedShape => true;

    internal FactoredSquare Square => new(DecayRate, Epsilon1);

    internal MomentSlot First => new("exp_avg", 1) { Format = States, AveragesGradient = false };

    /// <inheritdoc/>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var rate = RateOf(step, state);

        var update = Square.Normalize(gradient, state.Advance(AdamRule.Clock), state);
        FactoredSquare.Clip(update, ClipThreshold);
        if (rate is not null)
            update.mul_(rate);

        if (Beta1 > 0)
            Average(update, state, step);
        return (update.MoveToOuterDisposeScope(), 1);
    }

    /// <summary>M ← β₁M + (1 − β₁)U; U ← M.</summary>
    internal void Average(Tensor update, StateBag state, in StepContext step)
    {
        var mean = First.Read(state, update).mul_(Beta1).add_(update, 1 - Beta1);
        First.Write(state, mean, step);
        update.copy_(mean);
    }

    /// <inheritdoc/>
    public override void Reset(StateBag state)
    {
        base.Reset(state);
        FactoredSquare.Remove(state);
    }

    /// <inheritdoc/>
    public override Tensor? RelativeRate(Tensor weight, StateBag state)
    {
        var pace = Pace(state.Counter(AdamRule.Clock) + 1);
        if (!ScaleParameter)
            return RelativeStep ? full(Array.Empty<long>(), pace, dtype: weight.dtype.Computing(), device: weight.device) : null;

        using var norm = weight.norm();
        return norm.div(Math.Sqrt(weight.numel())).clamp_min_(Epsilon2).mul_(pace);
    }

    /// <summary>ρ: as the optimizer has found it, or from the weight where the rule is used by itself.</summary>
    internal Tensor? RateOf(in StepContext step, StateBag state)
    {
        if (step.RelativeRate is not null || !(ScaleParameter || RelativeStep))
            return step.RelativeRate;

        return RelativeRate(step.Weight ?? throw new InvalidOperationException("A relative step needs the weight: set "
            + $"{nameof(StepContext)}.{nameof(StepContext.Weight)}."), state);
    }

    /// <inheritdoc/>
    public override string LayoutFor(IReadOnlyList<long> shape) => Beta1 > 0 ? $"{nameof(AdafactorRule)} (exp_avg {States})" : nameof(AdafactorRule);

    /// <inheritdoc/>
    public override string StepCounter => AdamRule.Clock;

    /// <inheritdoc/>
    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => [.. base.SlotsFor(shape), .. FactoredSquare.SlotsFor(shape)];

    private double Pace(long t)
    {
        if (!RelativeStep)
            return 1;

        return Math.Min(WarmupInit ? 1e-6 * t : 1e-2, 1 / Math.Sqrt(t));
    }
}
