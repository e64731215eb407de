using BenchmarkDotNet.Attributes;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>One steady optimizer step over 203 matrices of 8 × 8, whose arithmetic is next to nothing: what the calls themselves cost, and what they
/// allocate.</summary>
[MemoryDiagnoser, MinColumn]
public class OverheadBenchmarks
{
    private Matrices _matrices = null!;
    private optim.Optimizer _optimizer = null!;

    [Params(Methods.AdamW, "GaLore", "Fira", "APOLLO")]
    public string Method { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        set_num_threads(1);
        _matrices = Matrices.Of(layers: 29, hidden: 8, intermediate: 8);
        _optimizer = Methods.Make(Method, _matrices, rank: 4);
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
