using LanguageModel.CommandLine;

namespace Compare.Report;

/// <summary>The results as an HTML table.</summary>
internal static class ReportTable
{
    /// <summary>One row for each method.</summary>
    public static string Render(Findings findings) => $"""
        <table>
        <thead><tr><th>Method</th><th>Validation<br>perplexity</th><th>Optimizer state<br>share of AdamW’s</th><th>Optimizer<br>ms a step</th><th>Peak<br>memory</th><th>Training<br>time</th></tr></thead>
        <tbody>
        {string.Join('\n', findings.Results.Select((result, place) => Row(findings, result, ReportCharts.Color(place))))}
        </tbody>
        </table>
        """;

    private static string Row(Findings findings, MethodResult result, int color)
    {
        var all = findings.Results;
        var share = findings.StateShare(result);
        var spread = result.PerplexitySpread is { } deviation ? $" <small>± {Describe.Fixed(result.Perplexity * deviation, 3)}</small>" : "";
        return $"""
            <tr class="c{color}"><td><span class="chip"></span>{ReportPage.Text(result.Method.Title)}</td>
            {Cell(result.Perplexity == all.Min(other => other.Perplexity), Describe.Fixed(result.Perplexity, 3) + spread)}
            {Cell(result.StateBytes == all.Min(other => other.StateBytes), $"{Describe.Bytes(result.StateBytes)} <small>{Describe.Fixed(100 * share, 0)} %</small><span class=\"bar\"><i style=\"width:{Describe.Fixed(Math.Min(100, 100 * share), 1)}%\"></i></span>")}
            {Cell(result.OptimizerMilliseconds == all.Min(other => other.OptimizerMilliseconds), $"{Describe.Significant(result.OptimizerMilliseconds)} <small>({Describe.Significant(result.OptimizerMeanMilliseconds)})</small>")}
            {Cell(result.PeakBytes is not null && result.PeakBytes == all.Min(other => other.PeakBytes), Describe.Bytes(result.PeakBytes))}
            {Cell(false, Describe.Duration(TimeSpan.FromSeconds(result.Seconds)))}</tr>
            """;
    }

    private static string Cell(bool isBest, string content) => $"<td{(isBest ? " class=\"best\"" : "")}>{content}</td>";
}
