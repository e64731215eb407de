namespace LowRankTraining.Strategies;

/// <summary>Messages of PRILoRA. Event ids 70 to 79.</summary>
internal static partial class PriLoRALog
{
    [LoggerMessage(70, LogLevel.Debug, "{Strategy}: A of {Count} matrices pruned after step {Step}")]
    public static partial void Pruned(this ILogger logger, string strategy, int count, long step);
}
