using System.Globalization;

namespace LowRankTraining;

/// <summary>A <see cref="MemoryPlan"/> as text.</summary>
internal static class MemoryTable
{
    /// <summary>Bytes of weights below which a table is in KiB.</summary>
    private const long SmallModel = 10 << 20;

    private static readonly string[] Header = ["count", "shape", "weights", "gradients", "state", "AdamW's", "rule"];

    public static string Of(MemoryPlan plan)
    {
        Func<long, string> size = plan.WeightBytes + plan.FrozenBytes < SmallModel ? Kibibytes : Mebibytes;
        string[][] lines =
        [
            Header, .. plan.Parameters.GroupBy(parameter => (Shape(parameter), parameter.Layout)).Select(alike => Line(alike, size)), .. Frozen(plan, size),
            Total(plan, size),
        ];
        var widths = Header.Select((_, column) => lines.Max(line => line[column].Length)).ToArray();
        return string.Join(Environment.NewLine,
            lines.Select(line =>
            string.Join("  ", line.Select((cell, column) => Align(cell, column, widths[column]))).TrimEnd()));
    }

    private static string[] Line(IGrouping<(string Shape, string Layout), ParameterMemory> alike, Func<long, string> size) =>
    [
        Text($"{alike.Count()} ×"),
        alike.Key.Shape,
        size(alike.Sum(parameter => parameter.WeightBytes)),
        size(alike.Sum(parameter => parameter.GradientBytes)),
        size(alike.Sum(parameter => parameter.StateBytes)),
        size(alike.Sum(parameter => parameter.AdamWBytes)),
        alike.Key.Layout,
    ];

    private static IEnumerable<string[]> Frozen(MemoryPlan plan, Func<long, string> size) =>
        plan.FrozenBytes == 0 ? [] : [["", "frozen", size(plan.FrozenBytes), "", "", "", "weights beside low-rank factors, not trained"]];

    private static string[] Total(MemoryPlan plan, Func<long, string> size) =>
    [
        Text($"{plan.Parameters.Count} ×"),
        "all",
        size(plan.WeightBytes + plan.FrozenBytes),
        size(plan.GradientBytes),
        size(plan.StateBytes),
        size(plan.AdamWBytes),
        Text($"state is {100 * plan.ShareOfAdamW:0.0} % of AdamW's"),
    ];

    private static string Shape(ParameterMemory parameter) => string.Join(" × ", parameter.Shape);

    private static string Kibibytes(long bytes) => Text($"{bytes / 1024.0:0.0} KiB");

    private static string Mebibytes(long bytes) => Text($"{bytes / 1048576.0:0.00} MiB");

    private static string Align(string cell, int column, int width) => column is 1 or 6 ? cell.PadRight(width) : cell.PadLeft(width);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
