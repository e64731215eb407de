using System.Text.Encodings.Web;
using System.Text.Json;
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
    };

    /// <summary>Everything measured, curves included.</summary>
    public static string Render(Findings findings) => JsonSerializer.Serialize(
        new
        {
            findings.Settings.Command,
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
            findings.PeakBytesOf,
            Methods = findings.Results.Select(result => Method(findings, result)),
        },
        Format);

    private static object Method(Findings findings, MethodResult result) => new
    {
        result.Method.Name,
        result.LearningRate,
        result.Perplexity,
        result.StateBytes,
        StateShareOfAdamw = findings.StateShare(result),
        OptimizerMs = result.OptimizerMilliseconds,
        OptimizerMeanMs = result.OptimizerMeanMilliseconds,
        result.PeakBytes,
        result.TokensPerSecond,
        result.Seconds,
        result.SkippedUpdates,
        Runs = result.Runs.Zip(findings.Settings.Seeds, (run, seed) => new
        {
            Seed = seed,
            run.ValidationLoss,
            run.Perplexity,
            StepMs = run.StepMilliseconds,
            ForwardMs = run.ForwardMilliseconds,
            BackwardMs = run.BackwardMilliseconds,
            OptimizerMs = run.OptimizerMilliseconds,
            Validation = run.Validation.Select(Pair),
            Training = run.Training.Select(Pair),
        }),
    };

    private static double[] Pair(LossPoint point) => [point.Step, Math.Round(point.Loss, 6)];
}
