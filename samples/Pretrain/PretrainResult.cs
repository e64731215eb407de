using System.Text.Json.Serialization;
using LanguageModel.Training;

namespace Pretrain;

/// <summary>What <c>--json</c> prints.</summary>
internal sealed class PretrainResult(PretrainSettings settings, TrainingReport report)
{
    /// <value>Whether every step was done.</value>
    public bool Completed => report.Completed;

    /// <value>Optimizer steps done.</value>
    public long Steps => report.Steps;

    /// <value>Nats a token; null after an interruption.</value>
    public double? ValidationLoss => report.ValidationLoss;

    /// <value>Its exponential.</value>
    public double? Perplexity => report.Perplexity;

    /// <value>Training only.</value>
    public double TokensPerSecond => report.TokensPerSecond;

    /// <value>Median milliseconds of a whole step.</value>
    public double StepMs => report.StepMilliseconds;

    /// <value>Median milliseconds.</value>
    public double ForwardMs => report.ForwardMilliseconds;

    /// <value>Median milliseconds.</value>
    public double BackwardMs => report.BackwardMilliseconds;

    /// <value>Median milliseconds.</value>
    public double OptimizerMs => report.OptimizerMilliseconds;

    /// <value>Bytes kept between steps.</value>
    public long OptimizerStateBytes => report.OptimizerStateBytes;

    /// <value>Null where they cannot be counted.</value>
    public long? PeakTensorBytes => report.PeakTensorBytes;

    /// <value>Less what the process held before the training; null where it cannot be measured.</value>
    public long? PeakProcessBytes => report.PeakProcessBytes;

    /// <value>Updates left out because a gradient was not finite.</value>
    public long SkippedUpdates => report.SkippedUpdates;

    /// <value>The mixture at every validation; left out for a single text.</value>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<MixturePoint>? Mixture => report.Mixtures.Count > 0 ? report.Mixtures : null;

    /// <value>What the run depends on.</value>
    public PretrainSettings Settings => settings;
}
