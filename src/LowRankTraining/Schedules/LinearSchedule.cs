namespace LowRankTraining.Schedules;

/// <summary>A linear warm-up from 0, then a straight line down to a share of the full rate.</summary>
/// <remarks>t &lt; w: t / w. Otherwise 1 − (1 − μ)(t − w) / (N − w), and μ from step N on.</remarks>
public sealed record LinearSchedule : ILrSchedule
{
    /// <value>N, in optimizer steps.</value>
    public required long TotalSteps { get; init; }

    /// <value>w, steps of the warm-up. Default 0.</value>
    public long Warmup { get; init; }

    /// <value>μ, the final multiplier, in [0, 1]. Default 0.</value>
    public double MinRatio { get; init; }

    /// <inheritdoc/>
    public double Multiplier(long step)
    {
        if (step < Warmup)
            return (double)step / Warmup;

        var progress = Math.Min(1, (double)(step - Warmup) / Math.Max(1, TotalSteps - Warmup));
        return 1 - (1 - MinRatio) * progress;
    }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .AtLeast(1, TotalSteps)
        .AtLeast(0, Warmup)
        .Require(Warmup <= TotalSteps, $"Warmup is {Warmup}: it must not be longer than TotalSteps ({TotalSteps}).")
        .Between(0, 1, MinRatio);
}
