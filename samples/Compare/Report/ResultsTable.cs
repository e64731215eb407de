using LanguageModel.CommandLine;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Compare.Report;

/// <summary>The results as a table for the terminal.</summary>
internal static class ResultsTable
{
    /// <summary>One row for each method.</summary>
    public static IRenderable Render(Findings findings)
    {
        var table = new Table().RoundedBorder();
        table.AddColumn("Method");
        foreach (var heading in new[] { "Validation\nperplexity", "Optimizer\nstate", "of\nAdamW's", "Optimizer\nms/step", "Peak of\ntensors", "Peak of\nprocess", "Training\ntime" })
            table.AddColumn(new TableColumn(heading).RightAligned().NoWrap());

        var best = findings.Measured.Min(result => result.Perplexity);
        foreach (var result in findings.Results)
        {
            if (!result.IsMeasured)
            {
                table.AddRow(result.Method.Title, result.HasFailed ? "failed" : "–");
                continue;
            }

            var spread = result.PerplexitySpread is { } share ? $" ± {Describe.Fixed(result.Perplexity * share, 3)}" : "";
            var perplexity = Describe.Fixed(result.Perplexity, 3) + spread;
            table.AddRow(
                result.Method.Title,
                result.Perplexity == best ? $"[bold green]{perplexity}[/]" : perplexity,
                Describe.Bytes(result.StateBytes),
                $"{Describe.Fixed(100 * findings.StateShare(result), 0)} %",
                Describe.Fixed(result.OptimizerMilliseconds, 1),
                Describe.Bytes(result.PeakTensorBytes),
                Describe.Bytes(result.PeakProcessBytes),
                Describe.Duration(TimeSpan.FromSeconds(result.Seconds)));
        }

        return table;
    }
}
