using LanguageModel.CommandLine;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Compare.Report;

/// <summary>The results as a table for the terminal.</summary>
internal static class ResultsTable
{
    /// <summary>Columns of a terminal from which on there is room for what the process took, too.</summary>
    private const int Wide = 100;

    /// <summary>One row for each method.</summary>
    /// <param name="findings">What to show.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static IRenderable Render(Findings findings, int width)
    {
        var peaks = Peaks(findings, width);
        var table = new Table().Border(TableBorder.Simple);
        table.AddColumn(new TableColumn("Method").NoWrap());
        foreach (var heading in (string[])["Validation\nperplexity", "Optimizer\nstate", "Optimizer\nms/step", .. peaks.Select(peak => peak.Heading), "Training\ntime"])
            table.AddColumn(new TableColumn(heading).RightAligned().NoWrap());

        var best = findings.Measured.Min(result => result.Perplexity);
        foreach (var result in findings.Results)
            table.AddRow(result.IsMeasured ? Cells(findings, result, best, peaks) : [result.Method.Title.EscapeMarkup(), result.HasFailed ? "failed" : "–"]);
        return table;
    }

    private static string[] Cells(Findings findings, MethodResult result, double best, List<(string Heading, Func<MethodResult, long?> Bytes)> peaks)
    {
        var spread = result.PerplexitySpread is { } share ? $" ± {Describe.Fixed(result.Perplexity * share, 3)}" : "";
        var perplexity = Describe.Fixed(result.Perplexity, 3) + spread;
        return
        [
            result.Method.Title.EscapeMarkup(),
            result.Perplexity == best ? $"[bold green]{perplexity}[/]" : perplexity,
            $"{Describe.Bytes(result.StateBytes)} {Describe.Fixed(100 * findings.StateShare(result), 0),4} %",
            Describe.Fixed(result.OptimizerMilliseconds, 1),
            .. peaks.Select(peak => Describe.Bytes(peak.Bytes(result))),
            Describe.Duration(TimeSpan.FromSeconds(result.Seconds)),
        ];
    }

    /// <summary>What the tensors took, where it was counted; what the process took, where there is room for it or nothing else.</summary>
    private static List<(string Heading, Func<MethodResult, long?> Bytes)> Peaks(Findings findings, int width)
    {
        var peaks = new List<(string, Func<MethodResult, long?>)>();
        var areTensorsCounted = findings.Measured.Any(result => result.PeakTensorBytes is not null);
        if (areTensorsCounted)
            peaks.Add(("Peak of\ntensors", result => result.PeakTensorBytes));
        if (!areTensorsCounted || width >= Wide)
            peaks.Add(("Peak of\nprocess", result => result.PeakProcessBytes));
        return peaks;
    }
}
