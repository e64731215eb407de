using LanguageModel.Training;

namespace Compare.Runs;

/// <summary>What a run came to.</summary>
/// <param name="Seed">Its seed.</param>
/// <param name="Report">What was measured; null where nothing was.</param>
/// <param name="Failure">Why it failed, in one line; null where it did not.</param>
internal sealed record RunOutcome(long Seed, TrainingReport? Report, string? Failure)
{
    /// <value>Whether every step was done and the result is a number.</value>
    public bool IsFinished => Failure is null && Report is { Completed: true };

    /// <summary>The outcome of a run that gave <paramref name="report"/>; one whose loss is not a number any more has failed.</summary>
    public static RunOutcome Of(long seed, TrainingReport report) =>
        new(seed, report, report.HasDiverged ? Divergence(report) : null);

    /// <summary>The same with a training curve of at most <paramref name="points"/> points.</summary>
    public RunOutcome Thinned(int points) => Report is { } report ? this with { Report = report with { Training = report.Training.Thinned(points) } } : this;

    /// <summary>The outcome of a run that failed.</summary>
    public static RunOutcome Failed(long seed, string reason) => new(seed, null, reason);

    /// <summary>The outcome of a run that was stopped before it had anything to say.</summary>
    public static RunOutcome Stopped(long seed) => new(seed, null, null);

    private static string Divergence(TrainingReport report)
    {
        var step = report.Training.FirstOrDefault(point => !double.IsFinite(point.Loss)).Step;
        return step > 0
            ? $"the loss was not a number from step {step} on; try a smaller learning rate"
            : $"the loss rose to {report.ValidationLoss:G3}; try a smaller learning rate";
    }
}
