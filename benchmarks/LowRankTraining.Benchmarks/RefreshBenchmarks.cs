using BenchmarkDotNet.Attributes;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>One step in which every subspace is found anew, over the 56 projected matrices of the 60m configuration, float32.</summary>
public class RefreshBenchmarks
{
    private Matrices _matrices = null!;
    private optim.Optimizer _optimizer = null!;

    [Params("exact SVD", "randomized SVD", "warm-started")]
    public string Basis { get; set; } = "";

    [Params(128)]
    public int Rank { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _matrices = Matrices.Of60M();
        _optimizer = Methods.Make("GaLore", _matrices, Rank, new Refreshing(Every: 1, Methods.Basis(Basis)));
        _optimizer.step();
    }

    [Benchmark]
    public void StepWithRefresh() => _optimizer.step();

    [GlobalCleanup]
    public void Cleanup()
    {
        _optimizer.Dispose();
        _matrices.Dispose();
    }
}
