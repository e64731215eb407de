namespace LowRankTraining.Strategies;

/// <summary>Messages of InRank. Event ids 61 to 69.</summary>
internal static partial class InRankLog
{
    [LoggerMessage(61, LogLevel.Information, "{Strategy}: after step {Step} '{Layer}' needs rank {Rank}, trains {Active}")]
    public static partial void RankGrew(this ILogger logger, string strategy, long step, string layer, long rank, long active);

    [LoggerMessage(62, LogLevel.Information,
        "{Strategy}: ranks settled after step {Step}: {Count} matrices, mean rank {Rank:f1}, {Dropped:P2} of the energy dropped or merged")]
    public static partial void RanksSettled(this ILogger logger, string strategy, long step, int count, double rank, double dropped);
}
