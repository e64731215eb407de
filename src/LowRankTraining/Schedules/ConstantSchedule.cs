namespace LowRankTraining.Schedules;

/// <summary>A linear warm-up from 0, then the full rate from then on.</summary>
/// <remarks>t &lt; w: t / w. Otherwise 1.</remarks>
public sealed record ConstantSchedule : ILrSchedule
{
    /// <value>w, steps of the warm-up. Default 0.</value>
    public long Warmup { get; init; }

    /// <inheritdoc/>
    public double Multiplier(long step) => step < Warmup ? (double)step / Warmup : 1;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.AtLeast(0, Warmup);
}
