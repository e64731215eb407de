using System.Globalization;

namespace LowRankTraining;

/// <summary>A <see cref="MemoryPlan"/> as text.</summary>
internal static class MemoryTable
{
    private static readonly string[] Header = ["count", "shape", "weights", "gradients", "state", "AdamW's", "rule"];

    public static string Of(MemoryPlan plan)
    {
        string[][] lines = [Header, .. plan.Parameters.GroupBy(parameter => (Shape(parameter), parameter.Layout)).Select(Line), .. Frozen(plan), Total(plan)];
        var widths = Header.Select((_, column) => lines.Max(line => line[column].Length)).ToArray();
        return string.Join(Environment.NewLine,
            lines.Select(line =>
            string.Join("  ", line.Select((cell, column) => Align(cell, column, widths[column]))).TrimEnd()));
    }

    private static string[] Line(IGrouping<(string Shape, string Layout), ParameterMemory> alike) =>
    [
        Text($"{alike.Count()} ×"),
        alike.Key.Shape,
        Mebibytes(alike.Sum(parameter => parameter.WeightBytes)),
        Mebibytes(alike.Sum(parameter => parameter.GradientBytes)),
        alike.First().StateBytes is null ? "unknown" : Mebibytes(alike.Sum(parameter => parameter.StateBytes ?? 0)),
        Mebibytes(alike.Sum(parameter => parameter.AdamWBytes)),
        alike.Key.Layout,
    ];

    private static IEnumerable<string[]> Frozen(MemoryPlan plan) =>
        plan.FrozenBytes == 0 ? [] : [["", "frozen", Mebibytes(plan.FrozenBytes), "", "", "", "weights beside low-rank factors, not trained"]];

    private static string[] Total(MemoryPlan plan) =>
    [
        Text($"{plan.Parameters.Count} ×"),
        "all",
        Mebibytes(plan.WeightBytes + plan.FrozenBytes),
        Mebibytes(plan.GradientBytes),
        Mebibytes(plan.StateBytes),
        Mebibytes(plan.AdamWBytes),
        Text($"state is {100 * plan.ShareOfAdamW:0.0} % of AdamW's"),
    ];

    private static string Shape(ParameterMemory parameter) => string.Join(" × ", parameter.Shape);

    private static string Mebibytes(long bytes) => Text($"{bytes / 1048576.0:0.00} MiB");

    private static string Align(string cell, int column, int width) => column is 1 or 6 ? cell.PadRight(width) : cell.PadLeft(width);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
