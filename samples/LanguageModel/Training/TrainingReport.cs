using System.Text.Json.Serialization;

namespace LanguageModel.Training;

/// <summary>A loss at a step.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Loss">Nats a token.</param>
public readonly record struct LossPoint(long Step, double Loss);

/// <summary>What is known after a step.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Loss">Loss of this step's batch, nats per token.</param>
/// <param name="TokensPerSecond">Over the steps of this run so far.</param>
/// <param name="Remaining">Time that the steps and validations left will take at their pace so far.</param>
public readonly record struct StepReport(long Step, double Loss, double TokensPerSecond, TimeSpan Remaining)
{
    /// <value>Time that this run and those after it will take; null where there are no others.</value>
    public TimeSpan? RemainingInAll { get; init; }
}

/// <summary>What a run came to.</summary>
public sealed record TrainingReport
{
    /// <value>Optimizer steps done, those before a resume included.</value>
    public required long Steps { get; init; }

    /// <value>Whether every step was done and the last validation too; false after an interruption.</value>
    public required bool Completed { get; init; }

    /// <value>Token-weighted mean over the validation set, nats per token; null after an interruption.</value>
    public required double? ValidationLoss { get; init; }

    /// <value>Its exponential.</value>
    public double? Perplexity => ValidationLoss is { } loss ? Math.Exp(loss) : null;

    /// <value>Whether the run was done and has come to nothing: its perplexity is no number.</value>
    [JsonIgnore]
    public bool HasDiverged => Completed && Perplexity is { } perplexity && !double.IsFinite(perplexity);

    /// <value>Loss of every step of this run.</value>
    public required IReadOnlyList<LossPoint> Training { get; init; }

    /// <value>Every validation of this run.</value>
    public required IReadOnlyList<LossPoint> Validation { get; init; }

    /// <value>The mixture at every validation of this run; empty for a single text.</value>
    public IReadOnlyList<MixturePoint> Mixtures { get; init; } = [];

    /// <value>Training only: neither validation nor saving.</value>
    public required double TokensPerSecond { get; init; }

    /// <value>Seconds spent in training steps.</value>
    public required double Seconds { get; init; }

    /// <value>Median milliseconds per step, all phases together.</value>
    public required double StepMilliseconds { get; init; }

    /// <value>Median milliseconds per step, loss included.</value>
    public required double ForwardMilliseconds { get; init; }

    /// <value>Median milliseconds per step.</value>
    public required double BackwardMilliseconds { get; init; }

    /// <value>Median milliseconds per step.</value>
    public required double OptimizerMilliseconds { get; init; }

    /// <value>Mean milliseconds per step: unlike the median, it contains the refreshes and merges of a few steps.</value>
    public required double OptimizerMeanMilliseconds { get; init; }

    /// <value>Bytes that the optimizer keeps between steps, the most seen at any validation.</value>
    public required long OptimizerStateBytes { get; init; }

    /// <value>Bytes of weights, trained and frozen, in the middle of a step.</value>
    public long WeightBytes { get; init; }

    /// <value>Bytes of gradients that are held between the backward pass and the update.</value>
    public long GradientBytes { get; init; }

    /// <value>The most bytes of tensors that were there at once; null where they cannot be counted.</value>
    public long? PeakTensorBytes { get; init; }

    /// <value>The most bytes that the process took at once, less what it held before the training; null where they cannot be measured.</value>
    public required long? PeakProcessBytes { get; init; }

    /// <value>Updates left out because a gradient was not finite.</value>
    public required long SkippedUpdates { get; init; }
}
