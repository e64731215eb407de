using System.Globalization;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Figures on the console, one a line.</summary>
internal static class FiguresTable
{
    public static void Write(string title, IReadOnlyCollection<Figure> figures)
    {
        Console.WriteLine();
        Console.WriteLine(figures.Count == 0
            ? $"{title}: cannot be measured with this TorchSharp"
            : $"{title,-92}{"value",12} {"unit",-12}{"target",-14}holds");
        foreach (var figure in figures)
            Console.WriteLine($"  {figure.Name,-90}{Value(figure),12} {figure.Unit,-12}{figure.Target,-14}{Holds(figure)}");
    }

    private static string Value(Figure figure) =>
        figure.Value.ToString(figure.Unit == "bytes" ? "N0" : figure.Unit == "ms" ? "F1" : "F4", CultureInfo.InvariantCulture);

    private static string Holds(Figure figure) => figure.Holds switch
    {
        true => "yes",
        false => "NO",
        null => "",
    };
}
