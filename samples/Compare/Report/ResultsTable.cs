using LanguageModel.CommandLine;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Compare.Report;

/// <summary>The results as a table for the terminal.</summary>
internal static class ResultsTable
{
    /// <summary>Columns of a terminal from which on there is room for what the process took, too.</summary>
    private const int Wide = 100;

    /// <summary>One row for each method, the lowest perplexity first and those that failed last.</summary>
    /// <param name="findings">What to show.</param>
    /// <param name="width">Columns of the terminal; 80 are enough.</param>
    public static IRenderable Render(Findings findings, int width)
    {
        var columns = Columns(findings, width);
        var table = new Table().Border(TableBorder.Simple);
        table.AddColumn(Column("Method", width));
        foreach (var (heading, _) in columns)
            table.AddColumn(Column(heading, width).RightAligned());

        foreach (var result in findings.Ranked)
            table.AddRow([result.Method.Title.EscapeMarkup(), .. columns.Select(column => column.Cell(result))]);
        foreach (var result in findings.Results.Where(result => !result.IsMeasured))
            table.AddRow(result.Method.Title.EscapeMarkup(), result.HasFailed ? "failed" : "–");
        return table;
    }

    private static TableColumn Column(string heading, int width) =>
        new TableColumn(heading).NoWrap().Padding(width >= Wide ? new Padding(1, 0) : new Padding(0, 0, 1, 0));

    private static List<(string Heading, Func<MethodResult, string> Cell)> Columns(Findings findings, int width)
    {
        string Share(MethodResult result) => $"{Describe.Fixed(100 * findings.StateShare(result), 0),4} %";
        var (isWide, hasSpread) = (width >= Wide, findings.Measured.Any(result => result.PerplexitySpread is not null));
        return
        [
            (isWide ? "Validation\nperplexity" : "Perplexity", result => Perplexity(result, findings.Ranked[0])),
            isWide ? ("Optimizer\nstate", result => $"{Describe.Bytes(result.StateBytes)} {Share(result)}") : ("State", Share),
            (isWide ? "Optimizer\nms/step" : "ms/step", result => Describe.Fixed(result.OptimizerMilliseconds, 1)),
            .. Peaks(findings, width).Select(peak => (peak.Heading, (Func<MethodResult, string>)(result => Describe.Bytes(peak.Bytes(result))))),
            .. isWide || !hasSpread
            ? new[] { (isWide ? "Training\ntime" : "Time", (Func<MethodResult, string>)(result => Describe.Duration(TimeSpan.FromSeconds(result.Seconds)))) }
            : [],
        ];
    }

    private static string Perplexity(MethodResult result, MethodResult best)
    {
        var spread = result.PerplexitySpread is { } share ? $" ± {Describe.Fixed(result.Perplexity * share, 3)}" : "";
        var text = Describe.Fixed(result.Perplexity, 3) + spread;
        return result.TiesWith(best) ? $"[bold green]{text}[/]" : text;
    }

    /// <summary>What the tensors took, where it was counted; what the process took, where there is room for it or nothing else.</summary>
    private static List<(string Heading, Func<MethodResult, long?> Bytes)> Peaks(Findings findings, int width)
    {
        var peaks = new List<(string, Func<MethodResult, long?>)>();
        var areTensorsCounted = findings.Measured.Any(result => result.PeakTensorBytes is not null);
        if (areTensorsCounted)
            peaks.Add((width >= Wide ? "Peak of\ntensors" : "Tensors", result => result.PeakTensorBytes));
        if (!areTensorsCounted || width >= Wide)
            peaks.Add((width >= Wide ? "Peak of\nprocess" : "Process", result => result.PeakProcessBytes));
        return peaks;
    }
}
