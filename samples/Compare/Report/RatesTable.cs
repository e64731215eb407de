using Compare.Tuning;
using LanguageModel.CommandLine;

namespace Compare.Report;

/// <summary>The learning rates that were tried, and what each came to.</summary>
internal static class RatesTable
{
    /// <summary>A section with one row for each method whose rate was chosen; empty where none was.</summary>
    public static string Render(Findings findings) => Chosen(findings) is { Count: > 0 } chosen
        ? $"""
            <section>
            <h2>Learning rates</h2>
            <p>{ReportPage.Text(Note(findings.Settings))}</p>
            <div class="scroll"><table>
            <tbody>
            {string.Join('\n', chosen.Select(Row))}
            </tbody>
            </table></div>
            </section>
            """
        : "";

    /// <summary>The methods whose rate was chosen, those that came furthest in their trials first.</summary>
    public static IReadOnlyList<MethodResult> Chosen(Findings findings) =>
        [.. findings.Results.Where(result => result.Trials.Count > 0)
            .OrderBy(result => result.Trials.Where(trial => trial.IsUsable).Select(trial => trial.Perplexity).DefaultIfEmpty(double.MaxValue).Min())];

    /// <summary>How rates were chosen, in a sentence.</summary>
    public static string Note(CompareSettings settings)
    {
        var tokens = Describe.Count(settings.Trials.Steps * settings.Batch * settings.Sequence);
        return $"The learning rate of each method is the best of these, by the perplexity after {tokens} tokens with seed {settings.Seeds[0]}.";
    }

    /// <summary>The perplexity of a trial.</summary>
    public static string Perplexity(Trial trial) => trial.IsUsable ? Describe.Fixed(trial.Perplexity, 2) : "diverged";

    private static string Row(MethodResult result) =>
        $"<tr><td>{ReportPage.Text(result.Method.Title)}</td>"
        + string.Concat(result.Trials.Select(trial => Cell(trial, trial.LearningRate == result.LearningRate))) + "</tr>";

    private static string Cell(Trial trial, bool isChosen) =>
        $"<td{(isChosen ? " class=\"best\"" : "")}>{Perplexity(trial)} <small>{Describe.Rate(trial.LearningRate)}</small></td>";
}
