using System.Xml.Linq;
using LanguageModel.CommandLine;

namespace Compare.Charts;

/// <summary>One named dot for each method: what it costs to the right, what it achieves upward.</summary>
internal static class DotChart
{
    /// <summary>From the middle of a dot to its name.</summary>
    private const double Gap = 12;

    /// <summary>Radius of a dot, and of one with its name in it.</summary>
    private const double Small = 7, Large = 10;

    /// <summary>Draws the first point of each of <paramref name="series"/>.</summary>
    /// <param name="title">For those who cannot see it.</param>
    /// <param name="across">What goes to the right.</param>
    /// <param name="up">What goes up.</param>
    /// <param name="series">The dots; those listed first keep their places.</param>
    /// <param name="areNamesInside">Whether names are so short, a number each, that they stand in the dots.</param>
    public static XElement Draw(string title, Axis across, Axis up, IReadOnlyList<Series> series, bool areNamesInside = false)
    {
        var drawn = series.Where(one => one.Points.Count > 0).ToList();
        var frame = new Frame(title, across, up, [.. drawn.Select(one => one.Name)]);
        var dots = drawn
            .Select(one => (Series: one, Place: frame.At(one.Points[0].X, one.Points[0].Y)))
            .OrderBy(dot => dot.Place.X)
            .ToList();
        if (areNamesInside)
            return frame.Draw(Numbered(drawn, [.. drawn.Select(one => frame.At(one.Points[0].X, one.Points[0].Y))]));

        return frame.Draw([.. dots.Select(dot => Dot(dot.Series, dot.Place, Small)), .. Clusters(dots).SelectMany(cluster => Names(frame, cluster))]);
    }

    /// <summary>Dots with their names inside, side by side where they would hide one another; a line leads to where such a dot belongs.</summary>
    private static IEnumerable<XElement> Numbered(List<Series> series, (double X, double Y)[] places)
    {
        var free = Labels.Sideways(places, 2 * Large + 1);
        return
        [
            .. places.Zip(free, (place, moved) => Frame.Element("line", Frame.Set("x1", place.X), Frame.Set("x2", moved.X), Frame.Set("y1", place.Y),
                Frame.Set("y2", place.Y), Frame.Set("class", "mark"))),
            .. series.Zip(free).SelectMany(dot => new[]
            {
                Dot(dot.First, dot.Second, Large), Frame.Text(dot.Second.X, dot.Second.Y + 3.5, dot.First.Name, "inside middle"),
            }),
        ];
    }

    private static XElement Dot(Series series, (double X, double Y) place, double radius) => Frame.Element(
        "circle",
        Frame.Set("cx", place.X), Frame.Set("cy", place.Y), Frame.Set("r", radius), Frame.Set("class", $"dot c{series.Color}"),
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
