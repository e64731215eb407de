using LanguageModel.Methods;

namespace Compare.Report;

/// <summary>Tells methods apart: each by a color of its own while there are colors, and beyond that by their families, with numbers where names would not
/// fit.</summary>
internal static class Palette
{
    /// <summary>Number of colors in the style sheet.</summary>
    private const int Colors = 12;

    /// <summary>Whether there are too many methods for a color each.</summary>
    public static bool IsByFamily(Findings findings) => findings.Results.Count > Colors;

    /// <summary>The color of <paramref name="result"/>.</summary>
    public static int ColorOf(Findings findings, MethodResult result) =>
        IsByFamily(findings) ? (int)result.Method.Family() : findings.Results.Index().First(entry => entry.Item.Method == result.Method).Index;

    /// <summary>What a dot is called: the method's title, or its place in the order of perplexities.</summary>
    public static string NameOf(Findings findings, int rank) => IsByFamily(findings) ? $"{rank + 1}" : findings.Ranked[rank].Method.Title;

    /// <summary>The highest perplexity that is drawn: a method far above many others would press them together.</summary>
    public static double Ceiling(Findings findings) => findings.Ranked is var ranked && IsByFamily(findings)
        ? Math.Min(ranked[^1].Perplexity, 2 * ranked[ranked.Count / 2].Perplexity)
        : ranked[^1].Perplexity;

    /// <summary>What the colors mean, in the order of the methods.</summary>
    public static IEnumerable<(string Name, int Color)> Legend(Findings findings) => IsByFamily(findings)
        ? findings.Measured.Select(result => result.Method.Family()).Distinct().Order().Select(family => (family.Title(), (int)family))
        : findings.Measured.Select(result => (result.Method.Title, ColorOf(findings, result)));
}
