using System.Xml.Linq;
using LanguageModel.CommandLine;

namespace Compare.Charts;

/// <summary>One named dot for each method: what it costs to the right, what it achieves upward.</summary>
internal static class DotChart
{
    /// <summary>Draws the first point of each of <paramref name="series"/>.</summary>
    public static XElement Draw(string title, Axis across, Axis up, IReadOnlyList<Series> series)
    {
        var frame = new Frame(title, across, up);
        return frame.Draw(series.Where(one => one.Points.Count > 0).SelectMany(one => Dot(frame, one)));
    }

    private static IEnumerable<XElement> Dot(Frame frame, Series series)
    {
        var (x, y) = frame.At(series.Points[0].X, series.Points[0].Y);
        yield return Frame.Element(
            "circle",
            Frame.Set("cx", x), Frame.Set("cy", y), Frame.Set("r", 7.0), Frame.Set("class", $"dot c{series.Color}"),
            Frame.Element("title", $"{series.Name}: {Describe.Fixed(series.Points[0].Y, 3)}"));
        yield return Frame.Text(x + 12, y + 4, series.Name, $"label c{series.Color}");
    }
}
