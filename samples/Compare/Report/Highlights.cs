using LanguageModel.CommandLine;

namespace Compare.Report;

/// <summary>What stands out, for a reader who reads nothing else.</summary>
internal static class Highlights
{
    /// <summary>Best perplexity, smallest state, fastest optimizer step; whoever ties is named too.</summary>
    public static string Render(Findings findings)
    {
        var all = findings.Measured.ToList();
        var perplexity = findings.Ranked[0];
        var state = all.MinBy(result => result.StateBytes)!;
        var time = all.MinBy(result => result.OptimizerMilliseconds)!;
        return $"""
            <ul class="facts">
            {Fact("Lowest perplexity", perplexity, all.Where(perplexity.TiesWith), $"{Describe.Fixed(perplexity.Perplexity, 3)} on unseen text")}
            {Fact("Smallest optimizer state", state, all.Where(result => Describe.Bytes(result.StateBytes) == Describe.Bytes(state.StateBytes)),
                $"{Describe.Bytes(state.StateBytes)}, {Describe.Fixed(100 * findings.StateShare(state), 0)} % of AdamW’s")}
            {Fact("Fastest optimizer step", time, all.Where(result => Milliseconds(result) == Milliseconds(time)), $"{Milliseconds(time)} ms")}
            </ul>
            """;
    }

    private static string Milliseconds(MethodResult result) => Describe.Significant(result.OptimizerMilliseconds);

    private static string Fact(string what, MethodResult first, IEnumerable<MethodResult> tied, string how) =>
        $"<li><div class=\"what\">{what}</div><div class=\"who\">{ReportPage.Text(Names([first, .. tied.Where(other => other != first)]))}</div>"
        + $"<div class=\"how\">{ReportPage.Text(how)}</div></li>";

    private static string Names(List<MethodResult> tied) => tied switch
    {
        [var only] => only.Method.Title,
        [var first, var second] => $"{first.Method.Title} and {second.Method.Title}",
        _ => $"{tied[0].Method.Title} and {tied.Count - 1} others",
    };
}
