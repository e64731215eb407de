namespace LowRankTraining.Strategies;

/// <summary>Messages of SLTrain. Event ids 80 to 99.</summary>
internal static partial class SLTrainLog
{
    [LoggerMessage(80, LogLevel.Warning, "{Strategy}: {Matrices}. They get one.")]
    public static partial void SingleEntry(this ILogger logger, string strategy, string matrices);
}
