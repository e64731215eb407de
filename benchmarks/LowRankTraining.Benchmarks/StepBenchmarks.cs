using BenchmarkDotNet.Attributes;
using LowRankTraining.Benchmarks.Figures;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>One steady optimizer step (no refresh) over the 56 projected matrices of the 60m configuration, float32.</summary>
[Config(typeof(StepConfig))]
public class StepBenchmarks
{
    private Matrices _matrices = null!;
    private optim.Optimizer _optimizer = null!;

    public static IEnumerable<string> Names => Methods.Names;

    [ParamsSource(nameof(Names))]
    public string Optimizer { get; set; } = "";

    [Params(128)]
    public int Rank { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _matrices = Matrices.Of60M();
        _optimizer = Methods.Make(Optimizer, _matrices, Rank);
        _optimizer.step();
    }

    [Benchmark]
    public void Step() => _optimizer.step();

    [GlobalCleanup]
    public void Cleanup()
    {
        StepMemory.Note(Optimizer, _optimizer, _matrices);
        _optimizer.Dispose();
        _matrices.Dispose();
    }
}

/// <summary>What a step's method keeps and what a step takes beside that: taken down by the benchmark, which runs in the process of the table.</summary>
/// <param name="State">Bytes between steps.</param>
/// <param name="Scratch">The most bytes during a step above those, in units of the largest matrix; null where bytes cannot be counted.</param>
internal sealed record StepMemory(long State, double? Scratch)
{
    private static readonly Dictionary<string, StepMemory> Noted = [];

    public static StepMemory? Of(string method) => Noted.GetValueOrDefault(method);

    public static void Note(string method, optim.Optimizer optimizer, Matrices matrices) => Noted[method] = new(
        (optimizer as LowRankOptimizer)?.StateBytes ?? 2 * sizeof(float) * matrices.Elements, ScratchFigures.ShareOf(optimizer, matrices));
}
