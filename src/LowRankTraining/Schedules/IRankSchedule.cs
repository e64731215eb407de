namespace LowRankTraining.Schedules;

/// <summary>The rank of low-rank factors over time.</summary>
/// <remarks>A pure function: it keeps no position, so a resumed run has the ranks of an uninterrupted one.
/// The factors' scale s does not follow the rank.</remarks>
public interface IRankSchedule : IPart
{
    /// <summary>The rank of a matrix after so many steps. It is confined to what the matrix can have: 1 up to its short side.</summary>
    /// <param name="rank">The rank that the options give the matrix.</param>
    /// <param name="step">Completed steps, from 0.</param>
    long RankFor(long rank, long step);
}

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
