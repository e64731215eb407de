namespace LowRankTraining.Strategies;

/// <summary>Messages of WeLore. Event id 60.</summary>
internal static partial class WeLoreLog
{
    [LoggerMessage(60, LogLevel.Information, "{Strategy}: {Plan}")]
    public static partial void Planned(this ILogger logger, string strategy, WeLorePlan plan);
}
