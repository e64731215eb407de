using BenchmarkDotNet.Attributes;
using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>What a step of a model in half precision adds: its weights, updated in float32, are rounded. Four million of them.</summary>
public class RoundingBenchmarks
{
    private const long Weights = 4_000_000;

    private Tensor _updated = null!, _rounded = null!, _remainders = null!;
    private Generator _generator = null!;

    [Params(ScalarType.BFloat16, ScalarType.Float16)]
    public ScalarType Type { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _generator = new Generator(1, CPU);
        _updated = randn(Weights, generator: _generator);
        _rounded = empty([Weights], Type);
        _remainders = empty([Weights], ScalarType.Int8);
    }

    [Benchmark(Baseline = true)]
    public void ToTheNearest() => _rounded.copy_(_updated);

    [Benchmark]
    public void Stochastically() => StochasticRounding.Copy(_updated, _rounded, _generator);

    [Benchmark]
    public void WithRemainders() => RoundingRemainder.Split(_updated, _rounded, _remainders);

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var owned in new IDisposable[] { _updated, _rounded, _remainders, _generator })
            owned.Dispose();
    }
}
