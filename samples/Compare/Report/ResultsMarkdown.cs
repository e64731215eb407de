using System.Text;
using Compare.Tuning;
using LanguageModel.CommandLine;

namespace Compare.Report;

/// <summary>The results as Markdown, for a page or an issue: <c>results.md</c>.</summary>
internal static class ResultsMarkdown
{
    /// <summary>How it was measured, the table, and the learning rates that were tried.</summary>
    public static string Render(Findings findings)
    {
        var settings = findings.Settings;
        var text = new StringBuilder();
        text.AppendLine($"{settings.Model} model ({Describe.Count(findings.Parameters)} parameters), rank {settings.Rank}, "
            + $"{Describe.Count(settings.Steps * settings.Batch * settings.Sequence)} tokens in {settings.Steps} steps of {settings.Batch} × "
            + $"{settings.Sequence}, {settings.Dtype}, {Seeds(settings)}. Text: {findings.Corpus.Source}.").AppendLine();
        text.AppendLine("```bash").AppendLine(settings.Command).AppendLine("```").AppendLine();
        AppendResults(text, findings);
        AppendTrials(text, findings);
        if (findings.Status is { } status)
            text.AppendLine().AppendLine(status);
        return text.ToString();
    }

    private static string Seeds(CompareSettings settings) => (settings.Seeds.Count == 1 ? "seed " : "seeds ") + string.Join(", ", settings.Seeds);

    private static void AppendResults(StringBuilder text, Findings findings)
    {
        var seeds = findings.Settings.Seeds.Count > 1 ? findings.Settings.Seeds : [];
        AppendRow(text,
        [
            "method", "learning rate", "perplexity", .. seeds.Select(seed => $"{seed}"), "state", "of AdamW's", "optimizer, mean ms per step",
            "peak of tensors",
        ]);
        AppendRow(text, Enumerable.Repeat("---", 7 + seeds.Count));
        foreach (var result in findings.Ranked)
            AppendRow(text,
            [
                result.Method.Title,
                Describe.Rate(result.LearningRate),
                Describe.Fixed(result.Perplexity, 3) + (result.PerplexitySpread is { } share ? $" ± {Describe.Fixed(result.Perplexity * share, 3)}" : ""),
                .. seeds.Select(seed => PerplexityOf(result, seed)),
                Describe.Bytes(result.StateBytes),
                $"{Describe.Fixed(100 * findings.StateShare(result), 0)} %",
                Describe.Significant(result.OptimizerMeanMilliseconds),
                Describe.Bytes(result.PeakTensorBytes),
            ]);

        foreach (var result in findings.Results.Where(result => result.HasFailed))
            AppendRow(text,
                [result.Method.Title, Describe.Rate(result.LearningRate), $"failed: {result.Shortfall(findings.Settings.Seeds, findings.Settings.Steps)}"]);
    }

    private static void AppendRow(StringBuilder text, IEnumerable<string> cells) => text.AppendLine($"| {string.Join(" | ", cells)} |");

    private static string PerplexityOf(MethodResult result, long seed) =>
        result.Outcomes.FirstOrDefault(outcome => outcome.Seed == seed) is { IsFinished: true } run ? Describe.Fixed(run.Report!.Perplexity!.Value, 3) : "–";

    private static void AppendTrials(StringBuilder text, Findings findings)
    {
        var chosen = RatesTable.Chosen(findings);
        if (chosen.Count == 0)
            return;

        text.AppendLine().AppendLine(RatesTable.Note(findings.Settings)).AppendLine();
        text.AppendLine("| method | perplexity at learning rate |").AppendLine("|---|---|");
        foreach (var result in chosen)
            text.AppendLine($"| {result.Method.Title} | {string.Join(", ", result.Trials.Select(trial => Told(trial, result)))} |");
    }

    private static string Told(Trial trial, MethodResult result)
    {
        var perplexity = RatesTable.Perplexity(trial);
        return $"{Describe.Rate(trial.LearningRate)}: {(trial.LearningRate == result.LearningRate ? $"**{perplexity}**" : perplexity)}";
    }
}
