using System.Globalization;
using System.Xml.Linq;
using LanguageModel.CommandLine;
using LanguageModel.Methods;

namespace LowRankTraining.Benchmarks.Tables;

/// <summary>What the memory buys: a dot for each method, its optimizer state to the right and its perplexity after two million tokens upward.</summary>
internal static class PerplexityPicture
{
    private const double Width = 960, Height = 620, Left = 70, Right = 930, Top = 72, Bottom = 565;

    /// <summary>From the left end to the right one, and from the bottom to the top; what is above is told in a line.</summary>
    private const double LeastState = 0.018, AllState = 1, Best = 2.45, Ceiling = 3.07;

    /// <summary>Room to the right of the rightmost dots, for their names.</summary>
    private const double NameRoom = 70;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private static readonly double[] Perplexities = [2.5, 2.6, 2.7, 2.8, 2.9, 3.0];
    private static readonly double[] States = [0.02, 0.05, 0.1, 0.2, 0.5, 1];

    /// <summary>The picture, as SVG.</summary>
    public static string Draw(ComparisonRuns runs)
    {
        var all = ComparisonTables.LongMeans(runs)
            .Select(pair => new Dot(pair.Run.Title, AllMethods.Find(pair.Run.Method).Family(), pair.Seeds, runs.ShareOf(pair.Run))).ToList();
        var (dots, beyond) = (all.Where(dot => dot.Seeds.Mean < Ceiling).ToList(), all.Where(dot => dot.Seeds.Mean >= Ceiling).ToList());
        var page = new LabelPlaces.Box(Left, Top - 12, Width - 4, Bottom);
        var labels = LabelPlaces.Find([.. dots.Select(dot => new LabelPlaces.Label(dot.X, dot.Y, dot.Title))], page);

        return new XElement(Svg + "svg",
            Set("viewBox", $"0 0 {Width} {Height}"), Set("width", Width), Set("height", Height), Set("font-family", "Segoe UI, Helvetica, Arial, sans-serif"),
            Set("role", "img"), Set("aria-label", "Validation perplexity after two million tokens against optimizer state, method by method"),
            Element("rect", Set("width", Width), Set("height", Height), Set("rx", 12), Set("fill", "#ffffff")),
            Text(22, 30, "What the memory buys: perplexity after two million tokens (lower is better) and optimizer state", "#222", "start",
                Set("font-weight", 600), Set("font-size", 15)),
            Legend(),
            Perplexities.Select(Line),
            States.Select(share => Text(XOf(share), Bottom + 22, ComparisonTables.Percent(share), "#555", "middle")),
            Text((Left + Right) / 2, Bottom + 44, "optimizer state, of AdamW’s", "#555", "middle"),
            Front(dots),
            dots.Select(Mark),
            dots.Zip(labels, Name),
            Beyond(beyond)) + "\n";
    }

    private static double XOf(double share) => Left + (Right - Left - NameRoom) * Math.Log(share / LeastState) / Math.Log(AllState / LeastState);

    private static double YOf(double perplexity) => Bottom - (Bottom - Top) * Math.Log(perplexity / Best) / Math.Log(Ceiling / Best);

    private static IEnumerable<XElement> Legend()
    {
        var x = 27.0;
        foreach (var family in Enum.GetValues<MethodFamily>())
        {
            yield return Element("circle", Set("cx", x), Set("cy", 47), Set("r", 5), Set("fill", ColorOf(family)));
            yield return Text(x + 10, 51, family.Title(), "#444", "start");
            x += 7 * family.Title().Length + 34;
        }

        yield return Dashed([(x, 47), (x + 26, 47)]);
        yield return Text(x + 34, 51, "best for its state", "#444", "start");
        yield return Bar(x + 168, 39, 55, MethodFamily.FullRank);
        yield return Text(x + 176, 51, "± spread of seeds", "#444", "start");
    }

    private static IEnumerable<XElement> Line(double perplexity)
    {
        yield return Element("path", Set("d", Path([(Left, YOf(perplexity)), (Right, YOf(perplexity))])), Set("stroke", "#e8e8ee"));
        yield return Text(Left - 8, YOf(perplexity) + 4, Describe.Fixed(perplexity, 1), "#555", "end");
    }

    /// <summary>Through the methods that no other one beats in both.</summary>
    private static XElement Front(IReadOnlyList<Dot> dots)
    {
        var front = dots.Where(dot => !dots.Any(other => other.Share <= dot.Share && other.Seeds.Mean < dot.Seeds.Mean)).OrderBy(dot => dot.X);
        return Dashed(front.Select(dot => (dot.X, dot.Y)));
    }

    private static XElement Dashed(IEnumerable<(double X, double Y)> points) => Element("path", Set("d", Path(points)), Set("fill", "none"),
        Set("stroke", ColorOf(MethodFamily.Gradient)), Set("stroke-opacity", 0.35), Set("stroke-width", 2), Set("stroke-dasharray", "5 4"));

    /// <summary>The dot, over a line as long as the spread of the seeds to either side.</summary>
    private static IEnumerable<XElement> Mark(Dot dot)
    {
        yield return Bar(dot.X, YOf(dot.Seeds.Mean - dot.Seeds.Spread), Math.Max(Top, YOf(dot.Seeds.Mean + dot.Seeds.Spread)), dot.Family);
        yield return Element("circle", Set("cx", dot.X), Set("cy", dot.Y), Set("r", 5.5), Set("fill", ColorOf(dot.Family)),
            Element("title", $"{dot.Title}: {ComparisonTables.MeanOf(dot.Seeds)} at {ComparisonTables.Percent(dot.Share)}"));
    }

    private static XElement Bar(double x, double from, double to, MethodFamily family) => Element("path", Set("d", Path([(x, from), (x, to)])),
        Set("stroke", ColorOf(family)), Set("stroke-opacity", 0.3), Set("stroke-width", 2));

    private static IEnumerable<XElement> Name(Dot dot, LabelPlaces.Place place)
    {
        if (place.IsAway)
            yield return Element("path", Set("d", Path([(dot.X, dot.Y), (place.Anchor, place.Middle)])), Set("stroke", ColorOf(dot.Family)),
                Set("stroke-opacity", 0.4));
        yield return Text(place.Anchor, place.Middle + 4, dot.Title, ColorOf(dot.Family), place.IsRight ? "start" : "end");
    }

    private static XElement? Beyond(List<Dot> dots) => dots.Count == 0 ? null : Text(
        Right, Top - 4, "beyond the top: " + string.Join(", ", dots.Select(dot => $"{dot.Title} {Describe.Fixed(dot.Seeds.Mean, 2)}")), "#555", "end");

    private static string ColorOf(MethodFamily family) => family switch
    {
        MethodFamily.FullRank => "#555555",
        MethodFamily.Gradient => "#512bd4",
        MethodFamily.Beside => "#b05a00",
        _ => "#0d7d94",
    };

    private static string Path(IEnumerable<(double X, double Y)> points) =>
        "M" + string.Join(" L", points.Select(point => $"{Short(point.X)} {Short(point.Y)}"));

    private static XElement Text(double x, double y, string text, string color, string anchor, params XAttribute[] more) =>
        Element("text", Set("x", x), Set("y", y), Set("fill", color), Set("text-anchor", anchor), more.Length > 0 ? more : Set("font-size", 13), text);

    private static XElement Element(string name, params object?[] content) => new(Svg + name, content);

    private static XAttribute Set(string name, object value) =>
        new(name, value is double number ? Short(number) : Convert.ToString(value, CultureInfo.InvariantCulture)!);

    private static string Short(double number) => number.ToString("0.##", CultureInfo.InvariantCulture);

    private sealed record Dot(string Title, MethodFamily Family, SeedRuns Seeds, double Share)
    {
        public double X => XOf(Share);

        public double Y => YOf(Seeds.Mean);
    }
}
