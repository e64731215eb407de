using Microsoft.Extensions.Logging;

namespace LowRankTraining.Strategies;

/// <summary>Messages of PRILoRA. Event id 26.</summary>
internal static partial class PriLoRALog
{
    [LoggerMessage(26, LogLevel.Debug, "{Strategy}: A of {Count} matrices pruned after step {Step}")]
    public static partial void Pruned(this ILogger logger, string strategy, int count, long step);
}
