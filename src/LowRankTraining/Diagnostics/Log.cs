namespace LowRankTraining.Diagnostics;

/// <summary>Messages of the optimizer and of gradient-space methods. Event ids 1 to 19.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "{Strategy}: the rank is above the compressed side of {Count} matrices and was lowered there: {Matrices}")]
    public static partial void RankLowered(this ILogger logger, string strategy, int count, string matrices);

    [LoggerMessage(4, LogLevel.Warning,
        "{Strategy}: step {Step} had nothing to go by, no parameter has a gradient other than zero. Call backward() between zero_grad() and step(), on a loss "
        + "of the model that the optimizer was made for: one that was made or loaded anew is another.")]
    public static partial void NothingUpdated(this ILogger logger, string strategy, long step);

    /// <summary>Reports how much of a model a method is for: a warning where that is less than half of what it could be for.</summary>
    public static void Covered(this ILogger logger, string strategy, TargetCoverage coverage)
    {
        if (coverage.IsLow)
            logger.FewCovered(strategy, coverage.Matrices, coverage.Percent, coverage.LeftOut);
        else
            logger.ManyCovered(strategy, coverage.Matrices, coverage.Percent);
    }

    [LoggerMessage(10, LogLevel.Warning,
        "{Strategy}: a default rank would take more state than AdamW for {Count} small matrices, which are left to the rule of everything else: {Matrices}. "
        + "Set Rank to have them projected.")]
    public static partial void ProjectionSpared(this ILogger logger, string strategy, int count, string matrices);

    [LoggerMessage(11, LogLevel.Information, "{Strategy}: the targets are {Count} matrices with {Percent:0.0} % of the model's numbers")]
    private static partial void ManyCovered(this ILogger logger, string strategy, int count, double percent);

    [LoggerMessage(12, LogLevel.Warning,
        "{Strategy}: the targets are {Count} matrices with only {Percent:0.0} % of the model's numbers. The largest that are left out: {LeftOut}. "
        + "Pass Targets that match them, such as Targets.AllMatrices().")]
    private static partial void FewCovered(this ILogger logger, string strategy, int count, double percent, string leftOut);

    [LoggerMessage(2, LogLevel.Warning,
        "{Strategy}: {Count} weights cannot be replaced by 8-bit ones and stay as they are: {Matrices}. "
        + "Hold such layers in fields of type Module<Tensor, Tensor>.")]
    public static partial void WeightsNotQuantized(this ILogger logger, string strategy, int count, string matrices);

    [LoggerMessage(3, LogLevel.Warning, "{Strategy}: the gradients of {Count} projected weights are held whole: {Matrices}")]
    public static partial void GradientsHeld(this ILogger logger, string strategy, int count, string matrices);
}
