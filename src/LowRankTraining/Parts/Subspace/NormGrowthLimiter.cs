namespace LowRankTraining.Parts;

/// <summary>Keeps the norm of an update from growing faster than a fixed factor per step.</summary>
/// <remarks>
/// <para>q = ‖S‖_F; ℓ = max(q / max(p, floor), γ) / γ; S ← S / ℓ; p ← q / ℓ, where p is the norm let through on the step before.
/// The first step only records p. The norm may fall freely.</para>
/// <para>A zero or non-finite S is let through as zero and leaves p as it was: in the authors' code one all-zero S freezes
/// the path for about 1400 steps, and one NaN freezes it for good.</para>
/// <para>State: <c>limiter_norm</c>, one scalar; infinite before the first step.</para>
/// <para>Source: Chen et al., Fira, arXiv 2410.01623, section 4.3; also used by APOLLO, arXiv 2412.05270.</para>
/// </remarks>
public sealed record NormGrowthLimiter : IPart
{
    /// <summary>The norm that was let through last.</summary>
    internal static readonly StateSlot Memory = new StateSlot("limiter_norm").Of(1);

    /// <value>γ, the largest growth per step; above 1. Default 1.01 (Fira and APOLLO).</value>
    public double MaxGrowth { get; init; } = 1.01;

    /// <value>Smallest norm that the next step is compared with, in units of S; above 0. Default 1e-8.</value>
    public double Floor { get; init; } = 1e-8;

    /// <value><see cref="Compatibility.ReferenceCode"/>: p + 1e-8 in place of max(p, floor), and a zero S is kept. Default:
    /// <see cref="Compatibility.Paper"/>.</value>
    public Compatibility Compatibility { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Above(1, MaxGrowth)
        .Above(0, Floor)
        .Defined(Compatibility);

    /// <summary>The factor, in [0, 1], that an update of this norm is multiplied by.</summary>
    /// <param name="norm">‖S‖_F, a scalar on the device. It may be overwritten, and returned.</param>
    /// <param name="state">What is kept of earlier updates.</param>
    /// <returns>A scalar on the same device: nothing is read back to the host.</returns>
    internal Tensor Factor(Tensor norm, StateBag state)
    {
        if (!state.TryGet(Memory, out var allowed))
            state.Set(Memory, allowed = full(Array.Empty<long>(), double.PositiveInfinity, norm.dtype, norm.device));
        var factor = norm.IsHere() ? OnHost(norm, allowed) : OnDevice(norm, allowed);
        if (Instruments.LimiterActivations.Enabled)
            Instruments.LimiterActivations.Count(factor.ToDouble() is > 0 and < 1 ? 1 : 0);
        return factor;
    }

    /// <summary>On the CPU a read costs nothing, but a dozen operations on scalars cost as much as a pass over the matrix.</summary>
    private Tensor OnHost(Tensor norm, Tensor allowed)
    {
        if (norm.TryFloats(out var n) && allowed.TryFloats(out var p))
        {
            var (factor, passed) = Limit(n[0], p[0]);
            (p[0], n[0]) = ((float)passed, (float)factor);
            return norm;
        }

        var (wide, let) = Limit(norm.ToDouble(), allowed.ToDouble());
        allowed.fill_(let);
        return full_like(norm, wide);
    }

    private (double Factor, double Passed) Limit(double norm, double allowed)
    {
        if (Compatibility == Compatibility.ReferenceCode)
        {
            var growth = Math.Max(norm / (allowed + 1e-8), MaxGrowth) / MaxGrowth;
            return (1 / growth, norm / growth);
        }

        var excess = Math.Max(norm / Math.Max(allowed, Floor) / MaxGrowth, 1);
        var passed = norm / excess;
        return passed > 0 && double.IsFinite(passed) ? (1 / excess, passed) : (0, allowed);
    }

    private Tensor OnDevice(Tensor norm, Tensor allowed)
    {
        using var scope = NewDisposeScope();
        if (Compatibility == Compatibility.ReferenceCode)
        {
            var growth = (norm / allowed.add(1e-8)).clamp_min_(MaxGrowth).div_(MaxGrowth);
            allowed.copy_(norm / growth);
            return growth.reciprocal().MoveToOuterDisposeScope();
        }

        var excess = (norm / allowed.clamp_min(Floor)).mul_(1 / MaxGrowth).clamp_min_(1);
        var passed = norm / excess;
        var usable = passed.gt(0).logical_and_(passed.lt(double.PositiveInfinity));

        allowed.copy_(where(usable, passed, allowed));
        return where(usable, excess.reciprocal_(), zeros_like(norm)).MoveToOuterDisposeScope();
    }
}
