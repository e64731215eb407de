using BenchmarkDotNet.Attributes;

namespace LowRankTraining.Benchmarks;

/// <summary>The least work that a step of a projecting method can be, over the 56 projected matrices of the 60m configuration, float32.</summary>
public class FloorBenchmarks
{
    private Matrices _matrices = null!;
    private Floor _floor = null!;

    [Params(128)]
    public int Rank { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _matrices = Matrices.Of60M();
        _floor = Floor.Of(_matrices, Rank);
    }

    [Benchmark]
    public void TwoProductsAndAdam() => _floor.Step();

    [GlobalCleanup]
    public void Cleanup()
    {
        _floor.Dispose();
        _matrices.Dispose();
    }
}
