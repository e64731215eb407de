using LanguageModel.CommandLine;

namespace Compare.Report;

/// <summary>What stands out, for a reader who reads nothing else.</summary>
internal static class Highlights
{
    /// <summary>Best perplexity, smallest state, fastest optimizer step.</summary>
    public static string Render(Findings findings)
    {
        var perplexity = findings.Measured.MinBy(result => result.Perplexity)!;
        var state = findings.Measured.MinBy(result => result.StateBytes)!;
        var time = findings.Measured.MinBy(result => result.OptimizerMilliseconds)!;
        return $"""
            <ul class="facts">
            {Fact("Lowest perplexity", perplexity, $"{Describe.Fixed(perplexity.Perplexity, 3)} on unseen text")}
            {Fact("Smallest optimizer state", state, $"{Describe.Bytes(state.StateBytes)}, {Describe.Fixed(100 * findings.StateShare(state), 0)} % of AdamW’s")}
            {Fact("Fastest optimizer step", time, $"{Describe.Significant(time.OptimizerMilliseconds)} ms")}
            </ul>
            """;
    }

    private static string Fact(string what, MethodResult who, string how) =>
        $"<li><div class=\"what\">{what}</div><div class=\"who\">{ReportPage.Text(who.Method.Title)}</div><div class=\"how\">{ReportPage.Text(how)}</div></li>";
}
