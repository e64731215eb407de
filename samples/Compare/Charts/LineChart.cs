using System.Globalization;
using System.Xml.Linq;
using LanguageModel.CommandLine;

namespace Compare.Charts;

/// <summary>Curves, each named where it ends.</summary>
internal static class LineChart
{
    /// <summary>Draws <paramref name="series"/>.</summary>
    /// <param name="title">For those who cannot see it.</param>
    /// <param name="across">What goes to the right.</param>
    /// <param name="up">What goes up.</param>
    /// <param name="series">The curves; those listed later lie on top.</param>
    /// <param name="withDots">Whether each value is marked, and tells its numbers under the pointer.</param>
    public static XElement Draw(string title, Axis across, Axis up, IReadOnlyList<Series> series, bool withDots)
    {
        var drawn = series.Where(one => one.Points.Count > 0).ToList();
        var frame = new Frame(title, across, up, [.. drawn.Select(one => one.Name)]);
        var ends = Labels.Spread([.. drawn.Select(one => frame.At(one.Points[^1].X, one.Points[^1].Y).Y)], Frame.NameHeight, frame.Floor);

        return frame.Draw(
        [
            .. drawn.Select(one => Curve(frame, one)),
            .. withDots ? drawn.SelectMany(one => Dots(frame, up, one)) : [],
            .. drawn.Select((one, place) => Frame.Text(frame.Edge + 10, ends[place] + 4, one.Name, $"label c{one.Color}")),
        ]);
    }

    private static XElement Curve(Frame frame, Series series) => Frame.Element(
        "polyline",
        Frame.Set("class", $"line c{series.Color}"),
        Frame.Set("points", string.Join(' ', series.Points.Select(point => Pair(frame.At(point.X, point.Y))))));

    private static IEnumerable<XElement> Dots(Frame frame, Axis up, Series series) =>
        from point in series.Points
        where point.Y <= up.High
        let place = frame.At(point.X, point.Y)
        select Frame.Element(
            "circle",
            Frame.Set("cx", place.X), Frame.Set("cy", place.Y), Frame.Set("r", 3.0), Frame.Set("class", $"dot c{series.Color}"),
            Frame.Element("title", $"{series.Name}: {Describe.Fixed(point.Y, 3)} at {Describe.Count(point.X)}"));

    private static string Pair((double X, double Y) point) =>
        string.Create(CultureInfo.InvariantCulture, $"{point.X:F1},{point.Y:F1}");
}
