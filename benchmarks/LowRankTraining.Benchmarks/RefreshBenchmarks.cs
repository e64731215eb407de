using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>One step in which every subspace is found again, over the 56 projected matrices of the 60m configuration, float32.</summary>
[Config(typeof(RefreshConfig))]
public class RefreshBenchmarks
{
    private Matrices _matrices = null!;
    private optim.Optimizer _optimizer = null!;

    public static IEnumerable<string> Names => Methods.BasisNames;

    [ParamsSource(nameof(Names))]
    public string Basis { get; set; } = "";

    [Params(128)]
    public int Rank { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _matrices = Matrices.Of60M();
        var method = Methods.Basis(Basis).IsOrthonormal ? "GaLore" : "APOLLO"; // which does not step back through it
        _optimizer = Methods.Make(method, _matrices, Rank, new Refreshing(Every: 1, Methods.Basis(Basis)));
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

    private sealed class RefreshConfig : ManualConfig
    {
        public RefreshConfig() => AddColumn(StepColumn.Share(
            "Of exact SVD's", "Mean time of the step, over that with exact SVD", nameof(Basis), Methods.ExactSvd, statistics => statistics.Mean));
    }
}
