using System.Globalization;
using System.Xml.Linq;

namespace Compare.Charts;

/// <summary>The drawing area of a chart, with its axes.</summary>
/// <remarks>Elements rather than text are put together, so that what comes out is well-formed and escaped whatever the names are.</remarks>
/// <param name="title">For those who cannot see it.</param>
/// <param name="across">What goes to the right.</param>
/// <param name="up">What goes up.</param>
/// <param name="names">What is named in it: the names need room on the right, and one below the other.</param>
internal sealed class Frame(string title, Axis across, Axis up, IReadOnlyList<string> names)
{
    /// <summary>Height of a name, with the space between it and the next.</summary>
    public const double NameHeight = 17;

    private const double LetterWidth = 7.8;
    private const double Width = 760;
    private const double Left = 62;
    private const double Top = 14;
    private const double Bottom = 52;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <value>Largest height at which something is drawn.</value>
    public double Floor => Height - Bottom;

    /// <value>Where the drawing area ends on the right.</value>
    public double Edge => Width - Math.Max(96, 20 + names.Select(NameWidth).DefaultIfEmpty().Max());

    private double Height { get; } = Math.Max(380, Top + names.Count * NameHeight + Bottom);

    /// <summary>About the room that <paramref name="name"/> takes.</summary>
    public static double NameWidth(string name) => LetterWidth * name.Length;

    /// <summary>An SVG element.</summary>
    public static XElement Element(string name, params object?[] content) => new(Svg + name, content);

    /// <summary>An attribute; numbers are written to a hundredth.</summary>
    public static XAttribute Set(string name, object value) =>
        new(name, value is double number ? Math.Round(number, 2).ToString(CultureInfo.InvariantCulture) : value);

    /// <summary>Text that ends, begins or is centred at a point.</summary>
    public static XElement Text(double x, double y, string text, string style, params object?[] more) =>
        Element("text", Set("x", x), Set("y", y), Set("class", style), more, text);

    /// <summary>The point of the page for a point of the data.</summary>
    public (double X, double Y) At(double x, double y) =>
        (Left + across.Place(x) * (Edge - Left), Height - Bottom - up.Place(y) * (Height - Top - Bottom));

    /// <summary>The chart: axes below, <paramref name="content"/> on top.</summary>
    public XElement Draw(IEnumerable<XElement> content)
    {
        var clip = $"clip-{Math.Abs(StableHash(title))}";
        return Element(
            "svg",
            Set("viewBox", $"0 0 {Width} {Height}"), Set("role", "img"), Set("aria-label", title),
            Element("clipPath", Set("id", clip),
                Element("rect", Set("x", Left), Set("y", Top - 4), Set("width", Edge - Left + 6), Set("height", Floor - Top + 4))),
            up.Ticks.Select(HorizontalLine),
            across.Ticks.Select(VerticalMark),
            Text((Left + Edge) / 2, Height - 10, across.Title, "axis middle"),
            Text(-(Top + Floor) / 2, 16, up.Title, "axis middle", Set("transform", "rotate(-90)")),
            content.Select(element => Clipped(element, clip)));
    }

    private static XElement Clipped(XElement element, string clip)
    {
        if (element.Attribute("class")?.Value.Contains("line", StringComparison.Ordinal) == true)
            element.Add(Set("clip-path", $"url(#{clip})"));
        return element;
    }

    private static int StableHash(string text) => text.Aggregate(17, (hash, letter) => unchecked(hash * 31 + letter) & 0xFFFFFF);

    private IEnumerable<XElement> HorizontalLine(double tick)
    {
        var y = At(across.Low, tick).Y;
        yield return Element("line", Set("x1", Left), Set("x2", Edge), Set("y1", y), Set("y2", y), Set("class", "grid"));
        yield return Text(Left - 8, y + 4, Axis.Label(tick), "tick end");
    }

    private IEnumerable<XElement> VerticalMark(double tick)
    {
        var x = At(tick, up.Low).X;
        yield return Element("line", Set("x1", x), Set("x2", x), Set("y1", Floor), Set("y2", Floor + 5), Set("class", "mark"));
        yield return Text(x, Floor + 20, Axis.Label(tick), "tick middle");
    }
}
