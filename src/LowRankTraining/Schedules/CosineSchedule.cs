namespace LowRankTraining.Schedules;

/// <summary>A linear warm-up from 0, then half a cosine down to a share of the full rate; optionally the whole of it again every few steps.</summary>
/// <remarks>
/// <para>With f(p) = μ + (1 − μ)(1 + cos πp)/2: t &lt; w: t / w. Otherwise f((t − w) / (N − w)), and μ from step N on.</para>
/// <para>With a cycle length C the same runs on q = t mod C, with C in place of N. The first two steps of every later warm-up have the multiplier 1e-7, so that
/// none is wasted at 0.</para>
/// <para>Source of the cyclic form: the "cosine" schedule of the authors' code of ReLoRA (arXiv 2307.05695); with
/// one cycle it is that of GaLore's and Fira's scripts.</para>
/// </remarks>
public sealed record CosineSchedule : ILrSchedule
{
    private const double Restarting = 1e-7;

    /// <value>N, in optimizer steps.</value>
    public required long TotalSteps { get; init; }

    /// <value>w, steps of the warm-up, in every cycle. Default 0.</value>
    public long Warmup { get; init; }

    /// <value>μ, the final multiplier, in [0, 1]. Default 0.1 (GaLore, ReLoRA).</value>
    public double MinRatio { get; init; } = 0.1;

    /// <value>C, steps of one cycle, a divisor of <see cref="TotalSteps"/>; null for one decay over all steps. Default null.</value>
    public long? CycleLength { get; init; }

    /// <inheritdoc/>
    public double Multiplier(long step)
    {
        var cycle = CycleLength ?? TotalSteps;
        var inCycle = CycleLength is null ? Math.Min(step, TotalSteps) : step % cycle;

        if (inCycle < Warmup)
            return step >= cycle && inCycle < 2 ? Restarting : (double)inCycle / Warmup;

        return Cosine.Decay((double)(inCycle - Warmup) / Math.Max(1, cycle - Warmup), MinRatio);
    }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .AtLeast(1, TotalSteps)
        .AtLeast(0, Warmup)
        .Require(Warmup <= (CycleLength ?? TotalSteps),
            $"Warmup is {Warmup}: it must not be longer than {(CycleLength is null ? "TotalSteps" : "a cycle")} ({CycleLength ?? TotalSteps}).")
        .Between(0, 1, MinRatio)
        .Require(CycleLength is null or > 0, $"CycleLength is {CycleLength}: it must be at least 1.")
        .Require(CycleLength is not > 0 || TotalSteps % CycleLength == 0, $"CycleLength ({CycleLength}) must divide TotalSteps ({TotalSteps}).");
}

/// <summary>The shapes that schedules are put together from.</summary>
internal static class Cosine
{
    /// <summary>f(p) = μ + (1 − μ)(1 + cos πp) / 2: from 1 at p = 0 down to μ at p = 1.</summary>
    public static double Decay(double progress, double minRatio) => minRatio + (1 - minRatio) * 0.5 * (1 + Math.Cos(Math.PI * progress));
}
