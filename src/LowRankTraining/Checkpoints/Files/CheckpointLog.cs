namespace LowRankTraining.Checkpoints;

/// <summary>Messages about saved state. Event ids 100 to 119.</summary>
internal static partial class CheckpointLog
{
    [LoggerMessage(100, LogLevel.Warning, "{Strategy}: the run goes on with other options than it was saved with: {Changes}")]
    public static partial void OptionsChanged(this ILogger logger, string strategy, string changes);
}
