using LanguageModel.CommandLine;

namespace Compare.Report;

/// <summary>Bars with a name before and a number behind each: lines of text, so that they can be read on a screen of any width.</summary>
internal static class Bars
{
    private static readonly (string Name, string Style, Func<MethodResult, long> Bytes)[] Parts =
    [
        ("weights", "p0", result => result.WeightBytes),
        ("gradients", "p1", result => result.GradientBytes),
        ("optimizer state", "p2", result => result.StateBytes),
        ("activations and scratch", "p3", result => result.OtherBytes ?? 0),
    ];

    /// <summary>Perplexities, the lowest first; those that cannot be told from it are marked.</summary>
    public static string Perplexities(Findings findings)
    {
        var ranked = findings.Ranked;
        var most = Palette.Ceiling(findings);
        return List(ranked.Select((result, place) => Row(
            $"c{Palette.ColorOf(findings, result)}{(result.TiesWith(ranked[0]) ? " best" : "")}{(result.Perplexity > most ? " beyond" : "")}",
            (Palette.IsByFamily(findings) ? $"<small>{place + 1}</small> " : "") + ReportPage.Text(result.Method.Title),
            Piece("", Math.Min(1, result.Perplexity / most)),
            Describe.Fixed(result.Perplexity, 3)
                + (result.PerplexitySpread is { } spread ? $" <small>± {Describe.Fixed(result.Perplexity * spread, 3)}</small>" : ""))));
    }

    /// <summary>The most bytes of tensors at once, by what they are, the fewest first; empty where they were not counted.</summary>
    public static string Memory(Findings findings)
    {
        var counted = findings.Measured.Where(result => result.PeakTensorBytes is not null).OrderBy(result => result.PeakTensorBytes).ToList();
        if (counted.Count == 0)
            return "";

        var most = (double)counted[^1].PeakTensorBytes!.Value;
        var legend = string.Concat(Parts.Select(part => $"<li class=\"{part.Style}\"><span class=\"chip\"></span>{part.Name}</li>"));
        return $"<ul class=\"legend\">{legend}</ul>" + List(counted.Select(result => Row(
            "",
            ReportPage.Text(result.Method.Title),
            string.Concat(Parts.Select(part => Piece(part.Style, part.Bytes(result) / most, $"{part.Name}: {Describe.Bytes(part.Bytes(result))}"))),
            Describe.Bytes(result.PeakTensorBytes))));
    }

    private static string List(IEnumerable<string> rows) => $"<ol class=\"bars\">\n{string.Join('\n', rows)}\n</ol>";

    private static string Row(string style, string name, string pieces, string value) =>
        $"<li class=\"{style}\"><span class=\"name\">{name}</span><span class=\"track\">{pieces}</span><span class=\"value\">{value}</span></li>";

    private static string Piece(string style, double share, string? hint = null) =>
        $"<i class=\"{style}\" style=\"width:{Describe.Fixed(100 * share, 2)}%\"{(hint is null ? "" : $" title=\"{ReportPage.Text(hint)}\"")}></i>";
}
