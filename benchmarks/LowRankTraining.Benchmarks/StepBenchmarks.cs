using BenchmarkDotNet.Attributes;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>One steady optimizer step (no refresh) over the 56 projected matrices of the 60m configuration, float32.</summary>
[MinColumn]
public class StepBenchmarks
{
    private Matrices _matrices = null!;
    private optim.Optimizer _optimizer = null!;

    public static IEnumerable<string> Names => Methods.Names;

    [ParamsSource(nameof(Names))]
    public string Method { get; set; } = "";

    [Params(128)]
    public int Rank { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _matrices = Matrices.Of60M();
        _optimizer = Methods.Make(Method, _matrices, Rank);
        _optimizer.step();
    }

    [Benchmark]
    public void Step() => _optimizer.step();

    [GlobalCleanup]
    public void Cleanup()
    {
        _optimizer.Dispose();
        _matrices.Dispose();
    }
}
