using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using LanguageModel.Training;

namespace Compare.Report;

/// <summary>The results for other programs: <c>results.json</c>.</summary>
internal static class ResultsFile
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Everything measured, curves included.</summary>
    public static string Render(Findings findings) => JsonSerializer.Serialize(
        new
        {
            findings.Settings.Command,
            State = findings.State.ToString().ToLowerInvariant(),
            findings.Settings.Model,
            findings.Parameters,
            findings.Settings.Rank,
            findings.Settings.Steps,
            findings.Settings.Batch,
            findings.Settings.Sequence,
            findings.Settings.Seeds,
            findings.Settings.Dtype,
            Data = findings.Corpus.Source,
            DataHash = findings.Corpus.Hash,
            findings.Machine,
            EvaluationTokens = Math.Min(findings.Settings.EvaluationTokens, findings.Corpus.Validation.Length),
            Methods = findings.Results.Select(result => Method(findings, result)),
        },
        Format);

    private static object Method(Findings findings, MethodResult result)
    {
        var shortfall = result.Shortfall(findings.Settings.Seeds, findings.Settings.Steps);
        return result.IsMeasured
            ? Measured(findings, result, shortfall)
            : new { result.Method.Name, result.LearningRate, Trials = result.Trials.Count == 0 ? null : result.Trials, Shortfall = shortfall };
    }

    private static object Measured(Findings findings, MethodResult result, string? shortfall) => new
    {
        result.Method.Name,
        result.LearningRate,
        Trials = result.Trials.Count == 0 ? null : result.Trials,
        Shortfall = shortfall,
        result.Perplexity,
        result.StateBytes,
        StateShareOfAdamw = findings.StateShare(result),
        OptimizerMs = result.OptimizerMilliseconds,
        OptimizerMeanMs = result.OptimizerMeanMilliseconds,
        result.PeakTensorBytes,
        result.PeakProcessBytes,
        result.TokensPerSecond,
        result.Seconds,
        result.SkippedUpdates,
        Runs = result.Outcomes.Where(outcome => outcome.IsFinished).Select(outcome => Run(outcome.Seed, outcome.Report!)),
    };

    private static object Run(long seed, TrainingReport run) => new
    {
        Seed = seed,
        run.ValidationLoss,
        run.Perplexity,
        run.PeakTensorBytes,
        run.PeakProcessBytes,
        StepMs = run.StepMilliseconds,
        ForwardMs = run.ForwardMilliseconds,
        BackwardMs = run.BackwardMilliseconds,
        OptimizerMs = run.OptimizerMilliseconds,
        Validation = run.Validation.Select(Pair),
        Training = run.Training.Select(Pair),
    };

    private static double[] Pair(LossPoint point) => [point.Step, Math.Round(point.Loss, 6)];
}
