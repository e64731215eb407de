using BenchmarkDotNet.Attributes;
using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>Storing a moment in 8 or 4 bits and reading it back: a moment of the 60m configuration at rank 128, and one of four million numbers.</summary>
public class QuantizationBenchmarks
{
    private Tensor _values = null!, _codes = null!, _scales = null!;

    [Params(8, 4)]
    public int Bits { get; set; }

    [Params(128 * 1376, 4_000_000)]
    public int Elements { get; set; }

    private CodeTable Table => Bits == 8 ? CodeTable.Dynamic8Signed : CodeTable.Dynamic4Signed;

    private int Block => Bits == 8 ? 256 : 128;

    [GlobalSetup]
    public void Setup()
    {
        using var generator = new Generator(1, CPU);
        _values = randn(Elements, generator: generator);
        (_codes, _scales) = BlockwiseQuantization.Quantize(_values, Table, Block);
    }

    [Benchmark]
    public void Quantize()
    {
        using var scope = NewDisposeScope();
        BlockwiseQuantization.Quantize(_values, Table, Block);
    }

    [Benchmark]
    public void Dequantize()
    {
        using var scope = NewDisposeScope();
        BlockwiseQuantization.Dequantize(_codes, _scales, Table, Block, [Elements], ScalarType.Float32);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _values.Dispose();
        _codes.Dispose();
        _scales.Dispose();
    }
}
