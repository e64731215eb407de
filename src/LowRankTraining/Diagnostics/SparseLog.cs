using Microsoft.Extensions.Logging;

namespace LowRankTraining.Diagnostics;

/// <summary>What methods with a sparse part have to say.</summary>
internal static partial class SparseLog
{
    [LoggerMessage(40, LogLevel.Warning, "{Strategy}: {Matrices}. They get one.")]
    public static partial void SingleEntry(this ILogger logger, string strategy, string matrices);
}
