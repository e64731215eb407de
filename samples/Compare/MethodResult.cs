using Compare.Runs;
using Compare.Tuning;
using LanguageModel.CommandLine;
using LanguageModel.Methods;
using LanguageModel.Training;

namespace Compare;

/// <summary>What the runs of one method came to, one for each seed that was begun. All numbers are of the finished runs, of which there must be one: see
/// <see cref="IsMeasured"/>.</summary>
internal sealed class MethodResult(Method method, double learningRate, IReadOnlyList<Trial> trials, IReadOnlyList<RunOutcome> outcomes)
{
    /// <value>The method.</value>
    public Method Method => method;

    /// <value>Its learning rate.</value>
    public double LearningRate => learningRate;

    /// <value>The learning rates that it was chosen from, the smallest first; empty where none was chosen.</value>
    public IReadOnlyList<Trial> Trials => trials;

    /// <value>What came of each run that was begun, in the order of the seeds.</value>
    public IReadOnlyList<RunOutcome> Outcomes => outcomes;

    /// <value>The reports of the finished runs.</value>
    public IReadOnlyList<TrainingReport> Runs { get; } = [.. outcomes.Where(outcome => outcome.IsFinished).Select(outcome => outcome.Report!)];

    /// <value>Whether a run was finished.</value>
    public bool IsMeasured => Runs.Count > 0;

    /// <value>Whether a run failed.</value>
    public bool HasFailed => Outcomes.Any(outcome => outcome.Failure is not null);

    /// <value>Exponential of the mean validation loss.</value>
    public double Perplexity => Math.Exp(MeanLoss);

    /// <value>Factor by which a standard deviation between seeds changes the perplexity, less 1; null with one seed.</value>
    public double? PerplexitySpread => Runs.Count < 2 ? null : Math.Exp(LossDeviation) - 1;

    /// <value>Standard error of the mean validation loss; 0 with one seed.</value>
    public double LossError => Runs.Count < 2 ? 0 : LossDeviation / Math.Sqrt(Runs.Count);

    /// <value>Bytes that the optimizer keeps between steps.</value>
    public long StateBytes => Runs[0].OptimizerStateBytes;

    /// <value>Bytes of weights, trained and frozen.</value>
    public long WeightBytes => Runs[0].WeightBytes;

    /// <value>Bytes of gradients between backward pass and update.</value>
    public long GradientBytes => Runs[0].GradientBytes;

    /// <value>Bytes of everything else at the peak: activations and scratch; null where tensors cannot be counted.</value>
    public long? OtherBytes => PeakTensorBytes is { } peak ? Math.Max(0, peak - WeightBytes - GradientBytes - StateBytes) : null;

    /// <summary>Whether nothing says that one is better: the numbers shown are equal, or less apart than the standard error of the difference.</summary>
    public bool TiesWith(MethodResult other) =>
        Describe.Fixed(Perplexity, 3) == Describe.Fixed(other.Perplexity, 3)
        || Math.Abs(MeanLoss - other.MeanLoss) < Math.Sqrt(LossError * LossError + other.LossError * other.LossError);

    /// <value>The most bytes of tensors at once, of all runs; null where they cannot be counted.</value>
    public long? PeakTensorBytes => Runs.Max(run => run.PeakTensorBytes);

    /// <value>The most bytes that a process took at once, of all runs; null where they cannot be measured.</value>
    public long? PeakProcessBytes => Runs.Max(run => run.PeakProcessBytes);

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

    /// <summary>The same with one run more.</summary>
    public MethodResult With(RunOutcome outcome) => new(method, learningRate, trials, [.. outcomes, outcome]);

    /// <summary>The same after a search for its learning rate.</summary>
    public MethodResult With(RateSearch search) => new(method, search.Best ?? learningRate, search.Trials, outcomes);

    /// <summary>What became of the runs that were not finished, of <paramref name="seeds"/> in all; null when all were.</summary>
    public string? Shortfall(IReadOnlyList<long> seeds, long steps)
    {
        if (Outcomes.Count == 0)
            return "not begun";

        var parts = Outcomes.Where(outcome => !outcome.IsFinished)
            .Select(outcome =>
                (seeds.Count > 1 ? $"seed {outcome.Seed}: " : "") + (outcome.Failure ?? $"stopped after {outcome.Report?.Steps ?? 0} of {steps} steps"))
            .Concat(seeds.Skip(Outcomes.Count).Select(seed => $"seed {seed}: not begun"))
            .ToList();
        return parts.Count == 0 ? null : string.Join("; ", parts);
    }

    private List<LossPoint> Mean(Func<TrainingReport, IReadOnlyList<LossPoint>> curve) =>
        [.. curve(Runs[0]).Select((point, place) => point with { Loss = Runs.Average(run => curve(run)[place].Loss) })];
}
