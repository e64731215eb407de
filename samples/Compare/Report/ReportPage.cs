using System.Net;
using System.Reflection;
using System.Xml.Linq;
using Compare.Charts;
using LanguageModel.CommandLine;
using LanguageModel.Data;

namespace Compare.Report;

/// <summary>The results as one page of HTML that needs nothing beside it.</summary>
internal static class ReportPage
{
    /// <summary>The page.</summary>
    public static string Render(Findings findings) => $"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Low-rank training compared</title>
        <style>
        {Style()}
        </style>
        </head>
        <body>
        <main>
        <h1>{Text(Title(findings))}</h1>
        <p class="lead">{Text(Lead(findings))}</p>
        {Status(findings)}
        {Highlights.Render(findings)}
        <section>
        <h2>Results</h2>
        <p>{Text(TableNote(findings))}</p>
        <div class="scroll">{ReportTable.Render(findings)}</div>
        </section>
        <section>
        <h2>Perplexity</h2>
        <p>{Text(RankNote(findings))}</p>
        {Legend(findings)}
        {Bars.Perplexities(findings)}
        </section>
        {Chart(findings, "What the memory buys", TradeOffNote(findings), ReportCharts.TradeOff(findings))}
        {Memory(findings)}
        {Chart(findings, "Validation perplexity", "On text that no method has seen; lower is better.", ReportCharts.Validation(findings))}
        {Chart(findings, "Training loss", "Mean over neighboring steps of each batch's loss; lower is better.", ReportCharts.Training(findings))}
        {RatesTable.Render(findings)}
        <section>
        <h2>How it was measured</h2>
        {Conditions(findings)}
        </section>
        </main>
        </body>
        </html>
        """;

    /// <summary><paramref name="text"/> with the characters escaped that HTML would read as markup.</summary>
    public static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Status(Findings findings) =>
        findings.Status is { } status ? $"<p class=\"status\">{Text(status)}</p>" : "";

    private static string Title(Findings findings) => findings.Results.Count == 1
        ? $"{findings.Results[0].Method.Title} on one model"
        : $"{Count(findings.Results.Count)} ways to train the same model";

    private static string Count(int methods) => methods is >= 1 and <= 9
        ? new[] { "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine" }[methods - 1]
        : Describe.Count(methods);

    private static string Lead(Findings findings) =>
        $"A {findings.Settings.Model} language model ({Describe.Significant(findings.Parameters / 1e6)} million parameters), "
        + $"trained from the same initial weights on the same {Describe.Count(TokensOf(findings.Settings))} tokens in the same order, once by each method"
        + (findings.Settings.Seeds.Count > 1 ? $" and seed ({findings.Settings.Seeds.Count} seeds, means shown)." : ".");

    private static long TokensOf(CompareSettings settings) => settings.Steps * settings.Batch * settings.Sequence;

    private static string TableNote(Findings findings)
    {
        var note = "Optimizer time is the median step, with the mean, refreshes and merges included, in parentheses.";
        return findings.Measured.Any(result => result.PeakTensorBytes is not null || result.PeakProcessBytes is not null)
            ? note + " Peak memory is the most at once in training: of all tensors (weights, gradients, activations, state and scratch), and of the process, "
                + "less what it held before the model was made. Each method has a process of its own; a process takes more than its tensors, since its "
                + "allocator keeps what was freed."
            : note;
    }

    private static string RankNote(Findings findings)
    {
        var tied = findings.Ranked.Skip(1).Count(result => result.TiesWith(findings.Ranked[0]));
        return "On text that no method has seen, the lowest first. "
            + (findings.Settings.Seeds.Count == 1
                ? "With one seed nobody knows how far chance goes: small differences say nothing, and --seeds 1 2 3 would tell."
                : "± is a standard deviation between seeds; methods in bold are no further from the first than the standard error of the difference.")
            + (tied > 0 ? $" {Count(tied)} {(tied == 1 ? "method ties" : "methods tie")} with the first." : "");
    }

    private static string TradeOffNote(Findings findings) => "Down and to the left is better: less optimizer state, lower perplexity."
        + (Palette.IsByFamily(findings) ? " The numbers are those before the names above; dots that would hide one another stand side by side." : "")
        + (findings.Ranked.Where(result => result.Perplexity > Palette.Ceiling(findings)).Select(result => result.Method.Title).ToList() is { Count: > 0 } far
            ? $" Far above, and not shown: {string.Join(", ", far)}." : "");

    private static string Memory(Findings findings) => Bars.Memory(findings) is { Length: > 0 } bars
        ? $"""
            <section>
            <h2>Where the memory goes</h2>
            <p>All tensors at the peak of a step, by what they are. Activations depend on the batch, and the other parts only on the model.</p>
            {bars}
            </section>
            """
        : "";

    private static string Legend(Findings findings) =>
        $"<ul class=\"legend\">{string.Concat(Palette.Legend(findings).Select(entry => $"<li class=\"c{entry.Color}\"><span "
            + $"class=\"chip\"></span>{Text(entry.Name)}</li>"))}</ul>";

    private static string Chart(Findings findings, string title, string note, XElement chart) => $"""
        <section>
        <h2>{Text(title)}</h2>
        <p>{Text(note)}</p>
        {Legend(findings)}
        <div class="scroll">{chart.ToString(SaveOptions.DisableFormatting)}</div>
        </section>
        """;

    private static string Conditions(Findings findings)
    {
        var settings = findings.Settings;
        (string Name, string Value)[] conditions =
        [
            ("Data",
                $"{findings.Corpus.Source}; {Describe.Bytes(findings.Corpus.Training.Length)} to train on, "
                    + $"{Describe.Bytes(findings.Corpus.Validation.Length)} to validate on; a token is a byte"),
            ("Steps",
                $"{settings.Steps} of {settings.Batch} × {settings.Sequence} tokens, learning rate rising over the first tenth and falling by a cosine to a "
                    + $"tenth"),
            ("Validation",
                $"mean over the same {Describe.Count(Math.Min(settings.EvaluationTokens, findings.Corpus.Validation.Length))} tokens for every method, each "
                    + $"token weighing the same"),
            ("Rank", $"{settings.Rank}"),
            ("Learning rates", string.Join(", ", findings.Results.Select(result => $"{result.Method.Title} {result.LearningRate}"))),
            (settings.Seeds.Count == 1 ? "Seed" : "Seeds", string.Join(", ", settings.Seeds)),
            ("Weights", settings.Dtype),
            ("Machine", findings.Machine),
            ("Training time",
                string.Join(", ", findings.Measured.Select(result => $"{result.Method.Title} {Describe.Duration(TimeSpan.FromSeconds(result.Seconds))}"))
                    + " a run"),
        ];
        return $"""
            <dl>
            {string.Join('\n', conditions.Select(condition => $"<dt>{Text(condition.Name)}</dt><dd>{Text(condition.Value)}</dd>"))}
            <dt>Command</dt><dd><code>{Text(settings.Command)}</code></dd>
            </dl>
            """;
    }

    private static string Style()
    {
        using var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream("report.css")!;
        using var reader = new StreamReader(resource);
        return reader.ReadToEnd().TrimEnd();
    }
}
