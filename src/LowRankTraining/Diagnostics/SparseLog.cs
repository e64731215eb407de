using Microsoft.Extensions.Logging;

namespace LowRankTraining.Diagnostics;

/// <summary>Messages of methods with a sparse part. Event ids 80 to 99.</summary>
internal static partial class SparseLog
{
    [LoggerMessage(80, LogLevel.Warning, "{Strategy}: {Matrices}. They get one.")]
    public static partial void SingleEntry(this ILogger logger, string strategy, string matrices);
}
