namespace LowRankTraining.Schedules;

/// <summary>What rank schedules have in common.</summary>
internal static class RankRules
{
    public static long Rounded(double rank) => (long)Math.Round(rank, MidpointRounding.AwayFromZero);

    /// <summary>The share of the way from start to end at the last look.</summary>
    public static double Progress(long step, long start, long end, long every)
    {
        if (step >= end)
            return 1;
        var sinceStart = Math.Max(0, step - start);
        return (double)(sinceStart - sinceStart % every) / (end - start);
    }
}
