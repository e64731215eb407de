using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Mathematics;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace LowRankTraining.Benchmarks;

/// <summary>The table of all methods: beside the time of a step, what it is of AdamW's, and the bytes of state and scratch.</summary>
internal sealed class StepConfig : ManualConfig
{
    public StepConfig()
    {
        HideColumns(Column.Method);
        AddColumn(
            StatisticColumn.Median,
            StepColumn.Share(
                "Of AdamW's", "Median time of a step, over that of TorchSharp's AdamW", nameof(StepBenchmarks.Optimizer), Methods.AdamW,
                statistics => statistics.Median),
            new StepColumn("State", "Bytes kept between steps", (_, benchmark) => MemoryOf(benchmark) is { } memory ? Megabytes(memory.State) : null),
            new StepColumn("Scratch", "The most bytes during a step above those, in units of the largest matrix",
                (_, benchmark) => MemoryOf(benchmark)?.Scratch?.ToString("F2", CultureInfo.InvariantCulture)));
    }

    private static StepMemory? MemoryOf(BenchmarkCase benchmark) => StepMemory.Of(MethodOf(benchmark));

    private static string MethodOf(BenchmarkCase benchmark) => (string)benchmark.Parameters[nameof(StepBenchmarks.Optimizer)];

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("F1", CultureInfo.InvariantCulture) + " MB";
}

/// <summary>A column of the table of steps.</summary>
/// <param name="name">Its head.</param>
/// <param name="legend">What it means.</param>
/// <param name="valueOf">What stands in it; null where nothing was measured.</param>
internal sealed class StepColumn(string name, string legend, Func<Summary, BenchmarkCase, string?> valueOf) : IColumn
{
    /// <summary>What a time is of that of a reference.</summary>
    /// <param name="name">The head of the column.</param>
    /// <param name="legend">What it means.</param>
    /// <param name="parameter">By which parameter rows differ.</param>
    /// <param name="reference">Its value in the row of the reference.</param>
    /// <param name="time">Which of the times counts.</param>
    public static StepColumn Share(string name, string legend, string parameter, string reference, Func<Statistics, double> time) => new(
        name, legend, (summary, own) => summary.BenchmarksCases.FirstOrDefault(other => Equals(other.Parameters[parameter], reference)) is { } baseline
            && summary[baseline]?.ResultStatistics is { } theirs && summary[own]?.ResultStatistics is { } ours
            ? (time(ours) / time(theirs)).ToString("F2", CultureInfo.InvariantCulture)
            : null);

    public string Id => $"{nameof(StepColumn)}.{name}";

    public string ColumnName => name;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => legend;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => valueOf(summary, benchmarkCase) ?? "?";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => true;
}
