namespace LowRankTraining.Schedules;

/// <summary>Cosine decay that drops to zero at every restart and ramps back up to the cosine.</summary>
/// <remarks>
/// <para>With f(p) = μ + (1 − μ)(1 + cos πp)/2, N total steps, w₁ first warm-up, C restart period, w₂ restart warm-up, F first restart (C unless set), a steps
/// of offset, t′ = t + a and q = (t′ − F) mod C:</para>
/// <para>t &lt; w₁: t / w₁. Otherwise, in the first w₂ steps after a restart, from F on: (q / w₂) · f((t′ − q + w₂ − w₁) / (N − w₁)).
/// Otherwise: f((t′ − w₁) / (N − w₁)). The ramp aims at the cosine's value at its own end, so it joins without a jump.</para>
/// <para>Source: Lialin et al., ReLoRA, arXiv 2307.05695, section 3; the offset is that of the authors' code.</para>
/// </remarks>
public sealed record JaggedCosineSchedule : ILrSchedule
{
    /// <value>N, in optimizer steps; a whole number of <see cref="RestartEvery"/> after the first restart.</value>
    public required long TotalSteps { get; init; }

    /// <value>w₁, steps of the first linear warm-up from 0.</value>
    public required long Warmup { get; init; }

    /// <value>C, steps between restarts.</value>
    public required long RestartEvery { get; init; }

    /// <value>F, step of the first restart, at least 1. Default: <see cref="RestartEvery"/>. For a run that begins with a
    /// full-rank warm start, the step at which it ends.</value>
    public long? FirstRestart { get; init; }

    /// <value>w₂, steps of the linear warm-up after each restart.</value>
    public required long RestartWarmup { get; init; }

    /// <value>μ, the final multiplier, in (0, 1]. Default 0.1 (ReLoRA).</value>
    public double MinRatio { get; init; } = 0.1;

    /// <value>a, steps by which the restarts and the cosine run ahead once the first warm-up is over; for a run that goes on from a warm start of a length that
    /// is not a multiple of C. Default 0.</value>
    public long AdjustStep { get; init; }

    /// <value>Whether the ramp is q / w₂, as published, whose first step has a rate of zero: its gradient enters the moments and moves nothing. Else (q + 1)
    /// / (w₂ + 1), and no step is lost. Default true (ReLoRA).</value>
    public bool RampsFromZero { get; init; } = true;

    /// <inheritdoc/>
    public double Multiplier(long step)
    {
        if (step < Warmup)
            return (double)step / Warmup;

        var shifted = step + AdjustStep;
        var sinceRestart = (shifted - First % RestartEvery + RestartEvery) % RestartEvery;
        var ramping = step >= First && sinceRestart < RestartWarmup;

        return ramping
            ? Ramp(sinceRestart) * Target(step - sinceRestart)
            : Decayed(shifted);
    }

    private double Ramp(long sinceRestart) => RampsFromZero ? (double)sinceRestart / RestartWarmup : (sinceRestart + 1.0) / (RestartWarmup + 1.0);

    /// <summary>What the ramp after a restart aims at. That lies past the end of the cosine where the offset has moved the last restart close to it; the
    /// authors' code goes on along the cosine there.</summary>
    private double Target(long restart)
    {
        var end = restart + AdjustStep + RestartWarmup;
        return restart < TotalSteps ? At(end) : Decayed(end);
    }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .AtLeast(1, TotalSteps)
        .AtLeast(0, Warmup)
        .AtLeast(1, RestartEvery)
        .Require(FirstRestart is null or >= 1, $"FirstRestart is {FirstRestart}: it must be at least 1.")
        .AtLeast(0, RestartWarmup)
        .AtLeast(0, AdjustStep)
        .Ratio(MinRatio)
        .Require(RestartEvery < 1 || (TotalSteps - First) % RestartEvery == 0,
            FirstRestart is null
                ? $"RestartEvery ({RestartEvery}) must divide TotalSteps ({TotalSteps})."
                : $"RestartEvery ({RestartEvery}) must divide the steps from FirstRestart to TotalSteps ({TotalSteps - First}).")
        .Require(RestartWarmup <= RestartEvery, $"RestartWarmup is {RestartWarmup}: it must not be longer than RestartEvery ({RestartEvery}).")
        .Require(Warmup + AdjustStep <= Math.Min(TotalSteps, First),
            $"Warmup + AdjustStep is {Warmup + AdjustStep}: the first warm-up must end before the first restart ({Math.Min(TotalSteps, First)}).");

    private long First => FirstRestart ?? RestartEvery;

    // Past the last step the rate stays where the cosine ended instead of rising again.
    private double Decayed(long shifted) => At(Math.Min(shifted, TotalSteps + AdjustStep));

    private double At(long shifted) => Cosine.Decay((double)(shifted - Warmup) / Math.Max(1, TotalSteps - Warmup), MinRatio);
}
