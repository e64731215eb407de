namespace LowRankTraining.Parts;

/// <summary>Stable-SPAM's guard: cuts entries above the usual largest one, brings the norm to its usual size, and resets the moments now and then.</summary>
/// <remarks>
/// <para>AdaClip: x ← θx + (1 − θ) max|G|; entries with |g| &gt; x̂ are multiplied by x̂ / max|G|. AdaGN: n = ‖G‖; μ ← γ₁μ + (1 − γ₁)n, ν ← γ₂ν + (1 − γ₂)n²;
/// G ← G · μ̂ / (n (√ν̂ + ε)). MoRet: every R updates the moments are reset. Hats are bias-corrected; a momentum schedule multiplies γ₁ too.</para>
/// <para>State: three scalars, <c>guard_max</c>, <c>guard_norm</c> and <c>guard_square</c>, on the device; counter <c>guard_step</c>. Scratch: one tensor of
/// the gradient's shape, and a mask. No value is read back from the device. A zero gradient stays zero.</para>
/// <para><see cref="Compatibility.ReferenceCode"/>: the three averages are corrected with the rule's clock, which restarts while they go on, so that AdaClip
/// is off after a reset; and the step of a reset still uses the old moments, while its gradient never enters the new ones.</para>
/// <para>Source: Huang et al., Stable-SPAM, arXiv 2502.17055.</para>
/// </remarks>
public sealed record StabilityGuard : ISpikeGuard
{
    private static readonly StateSlot
        Clock = new("guard_step"),
        Largest = new StateSlot("guard_max").Of(1),
        Norm = new StateSlot("guard_norm").Of(1),
        Square = new StateSlot("guard_square").Of(1);

    /// <value>θ, decay of the largest entry's average, in [0, 1). Default 0.999 (Stable-SPAM's γ₃).</value>
    public double ClipDecay { get; init; } = 0.999;

    /// <value>γ₁, decay of the norm's average, in [0, 1). Default 0.7 (Stable-SPAM).</value>
    public double NormDecay { get; init; } = 0.7;

    /// <value>γ₂, decay of the squared norm's average, in [0, 1). Default 0.9 (Stable-SPAM).</value>
    public double SquaredNormDecay { get; init; } = 0.9;

    /// <value>ε, added to the root of the squared norm's average, above 0. Default 1e-8 (Stable-SPAM).</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>R, updates between two resets of the moments; 0 for never. Default 1000 (Stable-SPAM).</value>
    public long ResetEvery { get; init; } = 1000;

    /// <value>A factor on γ₁ that changes over the updates, or null.</value>
    public MomentumSchedule? MomentumSchedule { get; init; }

    /// <value>Whom to follow where paper and code differ. Default: the paper.</value>
    public Compatibility Compatibility { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Fraction(ClipDecay)
        .Fraction(NormDecay)
        .Fraction(SquaredNormDecay)
        .Above(0, Epsilon)
        .AtLeast(0, ResetEvery)
        .OptionalPart(MomentumSchedule)
        .Defined(Compatibility);

    /// <inheritdoc/>
    public IEnumerable<StateSlot> Slots => [Clock, Largest, Norm, Square];

    /// <inheritdoc/>
    public (Tensor Gradient, double Factor) Apply(Tensor gradient, DirectionRule rule, StateBag state, in StepContext step)
    {
        var update = state.Advance(Clock);
        var reference = Compatibility == Compatibility.ReferenceCode;
        if (reference && IsReset(update - 1))
            rule.FreeMoments(state);

        var guarded = Stabilize(gradient, update, reference ? StepsOf(rule, state) + 1 : update, state);

        if (IsReset(update) && !reference)
            rule.Reset(state);
        else if (IsReset(update) && rule.StepCounter is { } counter)
            state.SetCounter(counter, 0);

        return (guarded, 1);
    }

    private static long StepsOf(DirectionRule rule, StateBag state) => rule.StepCounter is { } counter ? state.Counter(counter) : 0;

    private bool IsReset(long update) => ResetEvery > 0 && update > 0 && update % ResetEvery == 0;

    /// <param name="gradient">G.</param>
    /// <param name="update">Number of the update, for the schedule.</param>
    /// <param name="t">Number of values that the averages are said to hold.</param>
    /// <param name="state">Holds the averages.</param>
    private Tensor Stabilize(Tensor gradient, long update, long t, StateBag state)
    {
        using var scope = NewDisposeScope();
        var clipped = AdaClip(gradient, t, state);

        var gamma1 = NormDecay * (MomentumSchedule?.Factor(update) ?? 1);
        var norm = clipped.norm();
        var mean = Average(Norm, norm, gamma1, state);
        var square = Average(Square, norm.square(), SquaredNormDecay, state);

        var target = mean.div(1 - Math.Pow(gamma1, t)) / square.div(1 - Math.Pow(SquaredNormDecay, t)).sqrt_().add_(Epsilon);
        clipped.mul_(where(norm.gt(0), target / norm, ones_like(norm)));
        return clipped.MoveToOuterDisposeScope();
    }

    /// <returns>A new tensor.</returns>
    private Tensor AdaClip(Tensor gradient, long t, StateBag state)
    {
        using var scope = NewDisposeScope();
        var largest = maximum(gradient.max(), gradient.min().neg_());
        var usual = Average(Largest, largest, ClipDecay, state).div(1 - Math.Pow(ClipDecay, t));

        var spikes = Above(gradient, usual);
        if (Instruments.Spikes.Enabled)
            Instruments.Spikes.Count(spikes.sum().ToInt64());
        var factors = where(spikes, usual / largest, ones_like(largest));
        return factors.mul_(gradient).MoveToOuterDisposeScope();
    }

    private static Tensor Above(Tensor gradient, Tensor limit)
    {
        using var magnitude = gradient.abs();
        return magnitude.gt(limit);
    }

    private static Tensor Average(string name, Tensor value, double decay, StateBag state) =>
        state.ZerosLike(name, value).mul_(decay).add_(value, 1 - decay);
}
