namespace LowRankTraining.Schedules;

/// <summary>The shapes that schedules are put together from.</summary>
internal static class Cosine
{
    /// <summary>f(p) = μ + (1 − μ)(1 + cos πp) / 2: from 1 at p = 0 down to μ at p = 1.</summary>
    public static double Decay(double progress, double minRatio) => minRatio + (1 - minRatio) * 0.5 * (1 + Math.Cos(Math.PI * progress));
}
