using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
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
            new StepColumn("Of AdamW's", "Median time of a step, over that of TorchSharp's AdamW", ShareOfAdamW),
            new StepColumn("State", "Bytes kept between steps", (_, benchmark) => MemoryOf(benchmark) is { } memory ? Megabytes(memory.State) : null),
            new StepColumn("Scratch", "The most bytes during a step above those, in units of the largest matrix",
                (_, benchmark) => MemoryOf(benchmark)?.Scratch?.ToString("F2", CultureInfo.InvariantCulture)));
    }

    private static string? ShareOfAdamW(Summary summary, BenchmarkCase benchmark)
    {
        var adamW = summary.BenchmarksCases.FirstOrDefault(other => MethodOf(other) == Methods.AdamW);
        return adamW is not null && Median(adamW) is { } reference && Median(benchmark) is { } own
            ? (own / reference).ToString("F2", CultureInfo.InvariantCulture)
            : null;

        double? Median(BenchmarkCase measured) => summary[measured]?.ResultStatistics?.Median;
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
