using System.Xml.Linq;
using LanguageModel.CommandLine;

namespace Compare.Charts;

/// <summary>One named dot for each method: what it costs to the right, what it achieves upward.</summary>
internal static class DotChart
{
    /// <summary>From the middle of a dot to its name.</summary>
    private const double Gap = 12;

    /// <summary>Draws the first point of each of <paramref name="series"/>.</summary>
    public static XElement Draw(string title, Axis across, Axis up, IReadOnlyList<Series> series)
    {
        var drawn = series.Where(one => one.Points.Count > 0).ToList();
        var frame = new Frame(title, across, up, [.. drawn.Select(one => one.Name)]);
        var dots = drawn
            .Select(one => (Series: one, Place: frame.At(one.Points[0].X, one.Points[0].Y)))
            .OrderBy(dot => dot.Place.X)
            .ToList();
        return frame.Draw([.. dots.Select(dot => Dot(dot.Series, dot.Place)), .. Clusters(dots).SelectMany(cluster => Names(frame, cluster))]);
    }

    private static XElement Dot(Series series, (double X, double Y) place) => Frame.Element(
        "circle",
        Frame.Set("cx", place.X), Frame.Set("cy", place.Y), Frame.Set("r", 7.0), Frame.Set("class", $"dot c{series.Color}"),
        Frame.Element("title", $"{series.Name}: {Describe.Fixed(series.Points[0].Y, 3)}"));

    private static IEnumerable<XElement> Names(Frame frame, List<(Series Series, (double X, double Y) Place)> cluster)
    {
        var heights = Labels.Spread([.. cluster.Select(dot => dot.Place.Y)], Frame.NameHeight, frame.Floor);
        return cluster.Zip(heights, (dot, height) => Frame.Text(dot.Place.X + Gap, height + 4, dot.Series.Name, $"label c{dot.Series.Color}"));
    }

    /// <summary>Dots so close to one another, from left to right, that their names must be kept apart.</summary>
    private static List<List<(Series Series, (double X, double Y) Place)>> Clusters(List<(Series Series, (double X, double Y) Place)> fromTheLeft)
    {
        var clusters = new List<List<(Series Series, (double X, double Y) Place)>>();
        foreach (var dot in fromTheLeft)
        {
            if (clusters.Count == 0 || clusters[^1].All(other => other.Place.X + Gap + Frame.NameWidth(other.Series.Name) < dot.Place.X))
                clusters.Add([]);
            clusters[^1].Add(dot);
        }

        return clusters;
    }
}
