using System.Diagnostics;
using System.Globalization;
using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Endurance;

/// <summary><c>large [BILLIONS]</c>: a tensor of more bytes than an int can count goes through a checkpoint, and every number of it must come back.</summary>
internal static class LargeCommand
{
    public const string Name = "large";

    private const long Columns = 4096, RowsAtOnce = 4096;

    /// <returns>0 where all is as it was; else 1.</returns>
    public static int Run(string[] arguments)
    {
        var billions = arguments is [var text, ..] ? double.Parse(text, CultureInfo.InvariantCulture) : 1.2;
        var rows = (long)(billions * (1L << 30)) / Columns;
        var folder = Directory.CreateTempSubdirectory("lowrank-large-").FullName;
        try
        {
            using var guard = no_grad();
            using var table = new Table(rows);
            using var optimizer = new GaLore { Rank = 4 }.Attach(table, Targets.AllMatrices()).CreateOptimizer(1e-3);
            ForEachBlock(table.weight, (block, expected) => block.copy_(expected));

            var start = Stopwatch.GetTimestamp();
            TrainingCheckpoint.Save(folder, table, optimizer);
            var saved = Stopwatch.GetElapsedTime(start);
            table.weight.zero_();
            start = Stopwatch.GetTimestamp();
            TrainingCheckpoint.Load(folder, table, optimizer);
            var loaded = Stopwatch.GetElapsedTime(start);

            var holds = true;
            ForEachBlock(table.weight, (block, expected) => holds &= block.eq(expected).all().ToBoolean());
            var bytes = table.weight.NumberOfElements * table.weight.ElementSize;
            var answer = holds ? "every number came back" : "numbers are lost";
            Console.WriteLine(
                $"{rows} x {Columns} bfloat16, {bytes:N0} bytes: saved in {saved.TotalSeconds:F1} s, loaded in {loaded.TotalSeconds:F1} s; {answer}");
            return holds ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Some rows at a time, with the numbers that belong there: no two blocks have the same.</summary>
    private static void ForEachBlock(Tensor table, Action<Tensor, Tensor> use)
    {
        for (var first = 0L; first < table.shape[0]; first += RowsAtOnce)
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator((ulong)first, CPU);
            var block = table.narrow(0, first, Math.Min(RowsAtOnce, table.shape[0] - first));
            use(block, randn(block.shape, ScalarType.Float32, CPU, generator: generator).to(ScalarType.BFloat16));
        }
    }

    private sealed class Table : nn.Module
    {
#pragma warning disable SA1300, IDE1006 // The name in the checkpoint.
        public readonly Parameter weight;
#pragma warning restore SA1300, IDE1006

        public Table(long rows) : base(nameof(Table))
        {
            weight = new Parameter(empty(rows, Columns, ScalarType.BFloat16));
            RegisterComponents();
        }
    }
}
