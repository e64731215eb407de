namespace LowRankTraining.Diagnostics;

/// <summary>What the library logs, but for data mixers, whose event ids are 40 to 59. Each message has an id of its own.</summary>
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

    [LoggerMessage(4, LogLevel.Warning,
        "{Strategy}: step {Step} had nothing to go by, no parameter has a gradient other than zero. Call backward() between zero_grad() and step(), on a loss "
        + "of the model that the optimizer was made for: one that was made or loaded anew is another.")]
    public static partial void NothingUpdated(this ILogger logger, string strategy, long step);

    [LoggerMessage(10, LogLevel.Warning,
        "{Strategy}: a default rank would take more state than AdamW for {Count} small matrices, which are left to the rule of everything else: {Matrices}. "
        + "Set Rank to take them too.")]
    public static partial void SmallSpared(this ILogger logger, string strategy, int count, string matrices);

    [LoggerMessage(14, LogLevel.Warning,
        "{Strategy}: at this rank {Count} small matrices take more state than AdamW would: {Matrices}. Set a lower Rank, or leave them out with "
        + "Targets.Except.")]
    public static partial void FactorsAboveAdamW(this ILogger logger, string strategy, int count, string matrices);

    /// <summary>Reports how much of a model a method is for: a warning where that is less than half of what it could be for, and one where patterns are without
    /// effect.</summary>
    public static void Covered(this ILogger logger, string strategy, TargetCoverage coverage, IReadOnlyList<string> unused)
    {
        logger.Unused(strategy, unused);
        if (coverage.IsLow)
            logger.FewCovered(strategy, coverage.Matrices, coverage.Percent, coverage.LeftOut);
        else
            logger.ManyCovered(strategy, coverage.Matrices, coverage.Percent);
    }

    /// <summary>Warns of patterns without effect, where there are some.</summary>
    public static void Unused(this ILogger logger, string strategy, IReadOnlyList<string> unused)
    {
        if (unused.Count > 0)
            logger.PatternsUnused(strategy, string.Join(" ", unused));
    }

    [LoggerMessage(11, LogLevel.Information, "{Strategy}: the targets are {Count} matrices with {Percent:0.0} % of the model's numbers")]
    private static partial void ManyCovered(this ILogger logger, string strategy, int count, double percent);

    [LoggerMessage(12, LogLevel.Warning,
        "{Strategy}: the targets are {Count} matrices with only {Percent:0.0} % of the model's numbers. The largest that are left out: {LeftOut}. "
        + "Pass Targets that match them, such as Targets.AllMatrices().")]
    private static partial void FewCovered(this ILogger logger, string strategy, int count, double percent, string leftOut);

    [LoggerMessage(13, LogLevel.Warning, "{Strategy}: patterns of the targets without effect in this model: {Patterns}")]
    private static partial void PatternsUnused(this ILogger logger, string strategy, string patterns);

    [LoggerMessage(20, LogLevel.Information,
        "{Strategy}: {Count} matrices adapted; {Trained} numbers are trained for {Parameters} of the model, {Share:P2}: {Layers}")]
    public static partial void Adapted(
        this ILogger logger, string strategy, int count, long trained, long parameters, double share, string layers);

    [LoggerMessage(21, LogLevel.Information, "{Strategy}: full-rank warm start over after step {Step}, low-rank factors of {Count} matrices take over")]
    public static partial void FactorsTakeOver(this ILogger logger, string strategy, long step, int count);

    [LoggerMessage(22, LogLevel.Information,
        "{Strategy}: restart {Restart} after step {Step}: {Count} matrices merged, rank now {Rank}, {Share:P1} of their optimizer state zeroed{Losses}")]
    public static partial void Restarted(this ILogger logger, string strategy, long restart, long step, int count, long rank, double share, string losses);

    [LoggerMessage(23, LogLevel.Warning, "{Strategy}: the first step did not reach the hook of {Count} layers; they are shadowed from now on: {Layers}")]
    public static partial void HooksPassedBy(this ILogger logger, string strategy, int count, string layers);

    [LoggerMessage(24, LogLevel.Warning,
        "{Strategy}: layers put in the place of others were not run in two steps. "
        + "They do not train, or another object holds the old ones; then use Injection.Shadow: {Layers}")]
    public static partial void NotReached(this ILogger logger, string strategy, string layers);

    [LoggerMessage(25, LogLevel.Information, "{Strategy}: factors of {Count} matrices have rank {Rank} after step {Step}, at the most")]
    public static partial void RankChanged(this ILogger logger, string strategy, int count, long rank, long step);

    [LoggerMessage(27, LogLevel.Warning,
        "{Strategy}: {Count} weights cannot be kept in {Format} and stay as they are: {Matrices}. Hold such layers in fields of type Module<Tensor, Tensor>.")]
    public static partial void BaseKeptDense(this ILogger logger, string strategy, int count, string format, string matrices);

    [LoggerMessage(28, LogLevel.Warning,
        "{Strategy}: Dropout does not act on {Count} matrices, which are shadowed and see no inputs: {Matrices}. "
        + "Hold their layers in fields of type Module<Tensor, Tensor>, run them by call(), or leave Dropout at 0.")]
    public static partial void DropoutWithoutInputs(this ILogger logger, string strategy, int count, string matrices);

    [LoggerMessage(60, LogLevel.Information, "{Strategy}: {Plan}")]
    public static partial void Planned(this ILogger logger, string strategy, object plan);

    [LoggerMessage(61, LogLevel.Information, "{Strategy}: after step {Step} '{Layer}' needs rank {Rank}, trains {Active}")]
    public static partial void RankGrew(this ILogger logger, string strategy, long step, string layer, long rank, long active);

    [LoggerMessage(62, LogLevel.Information,
        "{Strategy}: ranks settled after step {Step}: {Count} matrices, mean rank {Rank:f1}, {Dropped:P2} of the energy dropped or merged")]
    public static partial void RanksSettled(this ILogger logger, string strategy, long step, int count, double rank, double dropped);

    [LoggerMessage(70, LogLevel.Debug, "{Strategy}: A of {Count} matrices pruned after step {Step}")]
    public static partial void Pruned(this ILogger logger, string strategy, int count, long step);

    [LoggerMessage(80, LogLevel.Warning, "{Strategy}: {Matrices}. They get one.")]
    public static partial void SingleEntry(this ILogger logger, string strategy, string matrices);

    [LoggerMessage(100, LogLevel.Warning, "{Strategy}: the run goes on with other options than it was saved with: {Changes}")]
    public static partial void OptionsChanged(this ILogger logger, string strategy, string changes);
}
