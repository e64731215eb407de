using Microsoft.Extensions.Logging;

namespace LowRankTraining.Diagnostics;

/// <summary>Messages of the optimizer and of gradient-space methods. Event ids 1 to 19.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "{Strategy}: the rank is above the compressed side of {Count} matrices and was lowered there: {Matrices}")]
    public static partial void RankLowered(this ILogger logger, string strategy, int count, string matrices);

    [LoggerMessage(2, LogLevel.Warning,
        "{Strategy}: {Count} weights cannot be replaced by 8-bit ones and stay as they are: {Matrices}. "
        + "Hold such layers in fields of type Module<Tensor, Tensor>.")]
    public static partial void WeightsNotQuantized(this ILogger logger, string strategy, int count, string matrices);

    [LoggerMessage(3, LogLevel.Warning, "{Strategy}: the gradients of {Count} projected weights are held whole: {Matrices}")]
    public static partial void GradientsHeld(this ILogger logger, string strategy, int count, string matrices);
}
