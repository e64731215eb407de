using LanguageModel.CommandLine;
using LanguageModel.Methods;

namespace Compare.Report;

/// <summary>The results as an HTML table.</summary>
internal static class ReportTable
{
    /// <summary>One row for each method.</summary>
    public static string Render(Findings findings) => $"""
        <table>
        <thead><tr><th>Method</th><th>Validation<br>perplexity</th><th>Optimizer state<br>share of AdamW’s</th><th>Optimizer<br>ms per step</th>
        {PeakHeadings(findings)}<th>Training<br>time</th></tr></thead>
        <tbody>
        {string.Join('\n', Families(findings))}
        </tbody>
        </table>
        """;

    /// <summary>Methods by family, those with the lowest perplexity first and those that failed last.</summary>
    private static IEnumerable<string> Families(Findings findings)
    {
        var families = findings.Results.GroupBy(result => result.Method.Family()).OrderBy(family => family.Key).ToList();
        foreach (var family in families)
        {
            if (families.Count > 1)
                yield return $"<tr class=\"family\"><th colspan=\"{5 + Peaks(findings).Count}\">{ReportPage.Text(family.Key.Title())}</th></tr>";
            foreach (var result in family.OrderBy(result => result.IsMeasured ? result.Perplexity : double.PositiveInfinity))
                yield return Row(findings, result, Palette.ColorOf(findings, result));
        }
    }

    private static string PeakHeadings(Findings findings) =>
        string.Concat(Peaks(findings).Select(peak => $"<th>{peak.Heading}</th>"));

    /// <summary>The kinds of peak memory that were measured.</summary>
    private static List<(string Heading, Func<MethodResult, long?> Bytes)> Peaks(Findings findings)
    {
        (string, Func<MethodResult, long?> Bytes)[] kinds =
            [("Peak memory<br>of tensors", result => result.PeakTensorBytes), ("Peak memory<br>of the process", result => result.PeakProcessBytes)];
        return [.. kinds.Where(kind => findings.Measured.Any(result => kind.Bytes(result) is not null))];
    }

    private static string Row(Findings findings, MethodResult result, int color)
    {
        var name = $"<tr class=\"c{color}\"><td><span class=\"chip\"></span>{ReportPage.Text(result.Method.Title)}";
        var shortfall = result.Shortfall(findings.Settings.Seeds, findings.Settings.Steps) is { } why ? ReportPage.Text(why) : null;
        return result.IsMeasured
            ? $"{name}{(shortfall is null ? "" : $"<small class=\"why\">{shortfall}</small>")}</td>{Cells(findings, result)}</tr>"
            : $"{name}</td><td class=\"why\" colspan=\"{4 + Peaks(findings).Count}\">{shortfall}</td></tr>";
    }

    private static string Cells(Findings findings, MethodResult result)
    {
        var all = findings.Measured.ToList();
        var share = findings.StateShare(result);
        var spread = result.PerplexitySpread is { } deviation ? $" <small>± {Describe.Fixed(result.Perplexity * deviation, 3)}</small>" : "";
        return string.Join('\n',
        [
            Cell(result.TiesWith(all.MinBy(other => other.Perplexity)!), Describe.Fixed(result.Perplexity, 3) + spread),
            Cell(
                result.StateBytes == all.Min(other => other.StateBytes),
                $"{Describe.Bytes(result.StateBytes)} <small>{Describe.Fixed(100 * share, 0)} %</small>{Bar(share)}"),
            Cell(
                result.OptimizerMilliseconds == all.Min(other => other.OptimizerMilliseconds),
                $"{Describe.Significant(result.OptimizerMilliseconds)} <small>({Describe.Significant(result.OptimizerMeanMilliseconds)})</small>"),
            .. Peaks(findings).Select(peak => Cell(peak.Bytes(result) is { } bytes && bytes == all.Min(peak.Bytes), Describe.Bytes(peak.Bytes(result)))),
            Cell(false, Describe.Duration(TimeSpan.FromSeconds(result.Seconds))),
        ]);
    }

    private static string Bar(double share) => $"<span class=\"bar\"><i style=\"width:{Describe.Fixed(Math.Min(100, 100 * share), 1)}%\"></i></span>";

    private static string Cell(bool isBest, string content) => $"<td{(isBest ? " class=\"best\"" : "")}>{content}</td>";
}
