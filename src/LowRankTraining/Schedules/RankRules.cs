using LowRankTraining.Strategies;

namespace LowRankTraining.Schedules;

/// <summary>What rank schedules have in common.</summary>
internal static class RankRules
{
    /// <summary>The numbers of a schedule are in their ranges.</summary>
    public static OptionsRules Obey(this OptionsRules rules, IRankSchedule? schedule) => schedule switch
    {
        GeometricRank geometric => rules
            .AtLeast(1, geometric.Every, "Every of GeometricRank")
            .Require(geometric.Factor is > 0 and <= 1, FormattableString.Invariant($"Factor of GeometricRank is {geometric.Factor}: it must be above 0 and at most 1."))
            .AtLeast(0, geometric.Start, "Start of GeometricRank")
            .AtLeast(1, geometric.MinRank, "MinRank of GeometricRank"),
        LinearRank linear => rules
            .Above(0, linear.From, "From of LinearRank")
            .Above(0, linear.To, "To of LinearRank")
            .ObeyTimes(linear.Start, linear.End, linear.Every, nameof(LinearRank)),
        AnnealedRank annealed => rules
            .Require(annealed.To is > 0 and <= 1, FormattableString.Invariant($"To of AnnealedRank is {annealed.To}: it must be above 0 and at most 1."))
            .ObeyTimes(annealed.Start, annealed.End, annealed.Every, nameof(AnnealedRank)),
        _ => rules,
    };

    public static long Rounded(double rank) => (long)Math.Round(rank, MidpointRounding.AwayFromZero);

    /// <summary>The share of the way from start to end at the last look.</summary>
    public static double Progress(long step, long start, long end, long every)
    {
        if (step >= end)
            return 1;
        var sinceStart = Math.Max(0, step - start);
        return (double)(sinceStart - sinceStart % every) / (end - start);
    }

    private static OptionsRules ObeyTimes(this OptionsRules rules, long start, long end, long every, string schedule) => rules
        .AtLeast(0, start, $"Start of {schedule}")
        .Above(start, end, $"End of {schedule}")
        .AtLeast(1, every, $"Every of {schedule}");
}
