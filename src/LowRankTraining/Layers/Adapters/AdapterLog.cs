namespace LowRankTraining.Layers;

/// <summary>Messages of weight-space methods during training. Event ids 20 to 39.</summary>
internal static partial class AdapterLog
{
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

    [LoggerMessage(28, LogLevel.Warning,
        "{Strategy}: Dropout does not act on {Count} matrices, which are shadowed and see no inputs: {Matrices}. "
        + "Hold their layers in fields of type Module<Tensor, Tensor>, run them by call(), or leave Dropout at 0.")]
    public static partial void DropoutWithoutInputs(this ILogger logger, string strategy, int count, string matrices);

    [LoggerMessage(27, LogLevel.Warning,
        "{Strategy}: {Count} weights cannot be kept in {Format} and stay as they are: {Matrices}. Hold such layers in fields of type Module<Tensor, Tensor>.")]
    public static partial void BaseKeptDense(this ILogger logger, string strategy, int count, string format, string matrices);
}
