namespace LowRankTraining.Parts;

/// <summary>SPAM's guard: cuts entries that stick out of their own history, resets the moments now and then, and warms up again after that.</summary>
/// <remarks>
/// <para>At update k, with v the rule's second moment before it: every R updates the moments are reset; entries with g² &gt; θ v become sign(g) √(θ v);
/// and the step is multiplied by 1 − 0.99 (1 + cos(πp / (N + 1))) / 2, where p &lt; N updates have passed since the reset.</para>
/// <para>Nothing is cut in the first <see cref="ClipStart"/> updates and as many after a reset, nor where v is still 0:
/// an entry without history has nothing to stick out of.</para>
/// <para>State: counter <c>guard_step</c>. Scratch: one tensor of the gradient's shape, and a mask. No value is read back from the device.</para>
/// <para><see cref="Compatibility.ReferenceCode"/>: v is not corrected for its bias, entries without history are cut to 0, and a reset leaves the clock of bias
/// correction running.</para>
/// <para>Source: Huang et al., SPAM, arXiv 2501.06842.</para>
/// </remarks>
public sealed record SpikeGuard : ISpikeGuard
{
    private static readonly StateSlot Clock = new("guard_step");

    /// <value>θ, how often its own mean square an entry's square may be; above 0. Default 5000 (SPAM).</value>
    public double Threshold { get; init; } = 5000;

    /// <value>R, updates between two resets of the moments; 0 for never. Default 500 (SPAM).</value>
    public long ResetEvery { get; init; } = 500;

    /// <value>N, updates over which the step grows back after a reset; at least 0. Default 150 (SPAM).</value>
    public long WarmupAfterReset { get; init; } = 150;

    /// <value>Updates at the start, and after each reset, in which nothing is cut; at least 0. Default 20 (SPAM's code).</value>
    public long ClipStart { get; init; } = 20;

    /// <value>Whom to follow where paper and code differ. Default: the paper.</value>
    public Compatibility Compatibility { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Above(0, Threshold)
        .AtLeast(0, ResetEvery)
        .AtLeast(0, WarmupAfterReset)
        .AtLeast(0, ClipStart)
        .Defined(Compatibility);

    /// <inheritdoc/>
    public IEnumerable<StateSlot> Slots => [Clock];

    /// <inheritdoc/>
    public string? ObjectionTo(DirectionRule rule) => rule.Moments.Any(IsSecond)
        ? null
        : $"A {nameof(SpikeGuard)} compares gradients with the second moment of the rule behind it, "
            + $"and {rule.GetType().Name} keeps none that has the gradient's shape: take Adam or RMSProp, or a {nameof(StabilityGuard)}.";

    /// <inheritdoc/>
    public (Tensor Gradient, double Factor) Apply(Tensor gradient, DirectionRule rule, StateBag state, in StepContext step)
    {
        var update = state.Advance(Clock);
        var sinceReset = ResetEvery > 0 ? update % ResetEvery : update;
        if (sinceReset == 0)
            Reset(rule, state);

        var second = rule.Moments.First(IsSecond);
        var clips = update >= ClipStart && sinceReset >= ClipStart && second.IsIn(state);
        return (clips ? Clip(gradient, second, state) : gradient, WarmupFactor(update));
    }

    /// <summary>The factor on the step at an update; the first is 1.</summary>
    public double WarmupFactor(long update)
    {
        if (ResetEvery == 0 || update < ResetEvery || update % ResetEvery >= WarmupAfterReset)
            return 1;

        return 1 - 0.99 * (1 + Math.Cos(Math.PI * (update % ResetEvery) / (WarmupAfterReset + 1.0))) / 2;
    }

    private void Reset(DirectionRule rule, StateBag state)
    {
        if (Compatibility == Compatibility.Paper)
            rule.Reset(state);
        else
            rule.FreeMoments(state);
    }

    /// <summary>g · min(1, √(θ v / g²)).</summary>
    private Tensor Clip(Tensor gradient, MomentSlot second, StateBag state)
    {
        using var scope = NewDisposeScope();
        var weight = Compatibility == Compatibility.Paper ? second.Weight(state) : 1;

        // Dividing twice keeps g² from underflowing where θ v does not.
        var kept = second.Read(state, gradient).mul(Threshold / weight).div_(gradient).div_(gradient);
        if (Compatibility == Compatibility.Paper)
            using (var withoutHistory = kept.eq(0))
                kept.masked_fill_(withoutHistory, 1);

        kept.nan_to_num_(nan: 1).clamp_max_(1);
        if (Instruments.Spikes.Enabled)
            Instruments.Spikes.Count(kept.lt(1).sum().ToInt64());
        return kept.sqrt_().mul_(gradient).MoveToOuterDisposeScope();
    }

    private static bool IsSecond(MomentSlot slot) => slot.Order == 2;
}
