using System.Xml.Linq;
using LanguageModel.CommandLine;

namespace Compare.Charts;

/// <summary>One named dot for each method: what it costs to the right, what it achieves upward.</summary>
internal static class DotChart
{
    /// <summary>Room that a name takes beside its dot: dots closer than this need their names kept apart.</summary>
    private const double NameWidth = 70;

    private const double NameHeight = 16;

    /// <summary>Draws the first point of each of <paramref name="series"/>.</summary>
    public static XElement Draw(string title, Axis across, Axis up, IReadOnlyList<Series> series)
    {
        var frame = new Frame(title, across, up);
        var dots = series.Where(one => one.Points.Count > 0)
            .Select(one => (Series: one, Place: frame.At(one.Points[0].X, one.Points[0].Y)))
            .OrderBy(dot => dot.Place.X)
            .ToList();
        return frame.Draw([.. dots.Select(dot => Dot(dot.Series, dot.Place)), .. Clusters(dots).SelectMany(Names)]);
    }

    private static XElement Dot(Series series, (double X, double Y) place) => Frame.Element(
        "circle",
        Frame.Set("cx", place.X), Frame.Set("cy", place.Y), Frame.Set("r", 7.0), Frame.Set("class", $"dot c{series.Color}"),
        Frame.Element("title", $"{series.Name}: {Describe.Fixed(series.Points[0].Y, 3)}"));

    private static IEnumerable<XElement> Names(List<(Series Series, (double X, double Y) Place)> cluster)
    {
        var heights = Labels.Spread([.. cluster.Select(dot => dot.Place.Y)], NameHeight, Frame.Floor);
        return cluster.Zip(heights, (dot, height) => Frame.Text(dot.Place.X + 12, height + 4, dot.Series.Name, $"label c{dot.Series.Color}"));
    }

    private static List<List<(Series Series, (double X, double Y) Place)>> Clusters(List<(Series Series, (double X, double Y) Place)> fromTheLeft)
    {
        var clusters = new List<List<(Series, (double X, double Y) Place)>>();
        foreach (var dot in fromTheLeft)
        {
            if (clusters.Count == 0 || dot.Place.X - clusters[^1][^1].Place.X > NameWidth)
                clusters.Add([]);
            clusters[^1].Add(dot);
        }

        return clusters;
    }
}
