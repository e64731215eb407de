using LowRankTraining.Layers;
using Microsoft.Extensions.Logging;

namespace LowRankTraining.Diagnostics;

/// <summary>Messages of methods that replace weights by factors. Event ids 60 to 79.</summary>
internal static partial class FactorizedLog
{
    [LoggerMessage(60, LogLevel.Information, "{Strategy}: {Plan}")]
    public static partial void Planned(this ILogger logger, string strategy, WeLorePlan plan);

    [LoggerMessage(61, LogLevel.Information, "{Strategy}: after step {Step} '{Layer}' needs rank {Rank}, trains {Active}")]
    public static partial void RankGrew(this ILogger logger, string strategy, long step, string layer, long rank, long active);

    [LoggerMessage(62, LogLevel.Information,
        "{Strategy}: ranks settled after step {Step}: {Count} matrices, mean rank {Rank:f1}, {Dropped:P2} of the energy dropped or merged")]
    public static partial void RanksSettled(this ILogger logger, string strategy, long step, int count, double rank, double dropped);
}
