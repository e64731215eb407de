using LanguageModel.Methods;
using LanguageModel.Training;

namespace Compare;

/// <summary>What the runs of one method came to, one for each seed.</summary>
internal sealed record MethodResult(Method Method, double LearningRate, IReadOnlyList<TrainingReport> Runs)
{
    /// <value>Exponential of the mean validation loss.</value>
    public double Perplexity => Math.Exp(MeanLoss);

    /// <value>Factor by which a standard deviation between seeds changes the perplexity, less 1; null with one seed.</value>
    public double? PerplexitySpread => Runs.Count < 2 ? null : Math.Exp(LossDeviation) - 1;

    /// <value>Bytes that the optimizer keeps between steps.</value>
    public long StateBytes => Runs[0].OptimizerStateBytes;

    /// <value>Largest memory in use at once, of all runs; null where it cannot be measured.</value>
    public long? PeakBytes => Runs.Max(run => run.PeakBytes);

    /// <value>Median milliseconds of the optimizer's step, in the middle of the runs.</value>
    public double OptimizerMilliseconds => Runs.Select(run => run.OptimizerMilliseconds).Order().ElementAt(Runs.Count / 2);

    /// <value>Mean milliseconds of the optimizer's step: refreshes and merges included.</value>
    public double OptimizerMeanMilliseconds => Runs.Average(run => run.OptimizerMeanMilliseconds);

    /// <value>Tokens a second, the mean of the runs.</value>
    public double TokensPerSecond => Runs.Average(run => run.TokensPerSecond);

    /// <value>Seconds of training a run.</value>
    public double Seconds => Runs.Average(run => run.Seconds);

    /// <value>Updates left out in all runs.</value>
    public long SkippedUpdates => Runs.Sum(run => run.SkippedUpdates);

    /// <value>The mean curve of the validation losses.</value>
    public IReadOnlyList<LossPoint> Validation => Mean(run => run.Validation);

    /// <value>The mean curve of the training losses.</value>
    public IReadOnlyList<LossPoint> Training => Mean(run => run.Training);

    private double MeanLoss => Runs.Average(run => run.ValidationLoss!.Value);

    private double LossDeviation => Math.Sqrt(Runs.Sum(run => Math.Pow(run.ValidationLoss!.Value - MeanLoss, 2)) / (Runs.Count - 1));

    private List<LossPoint> Mean(Func<TrainingReport, IReadOnlyList<LossPoint>> curve) =>
        [.. curve(Runs[0]).Select((point, place) => point with { Loss = Runs.Average(run => curve(run)[place].Loss) })];
}
