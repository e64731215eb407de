using System.Globalization;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Running;
using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>Storing numbers in 8 or 4 bits and reading them back, as moments are kept (a table) and as Q-GaLore's weights and bases are (affine): a moment of
/// the 60m configuration at rank 128, and four million numbers. What moving the numbers as they are takes is the unit.</summary>
[Config(typeof(QuantizationConfig))]
public class QuantizationBenchmarks
{
    private Tensor _values = null!, _copy = null!, _codes = null!, _scales = null!;
    private (Tensor Codes, Tensor Scales, Tensor Zeros) _affine;

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
        _copy = empty(Elements);
        (_codes, _scales) = BlockwiseQuantization.Quantize(_values, Table, Block);
        _affine = AffineQuantization.Quantize(_values, Bits);
    }

    [Benchmark(Baseline = true)]
    public void Copy() => _copy.copy_(_values);

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

    [Benchmark]
    public void QuantizeAffine()
    {
        using var scope = NewDisposeScope();
        AffineQuantization.Quantize(_values, Bits);
    }

    [Benchmark]
    public void QuantizeAffineStochastically()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(2, CPU);
        AffineQuantization.Quantize(_values, Bits, stochastic: generator);
    }

    [Benchmark]
    public void DequantizeAffine()
    {
        using var scope = NewDisposeScope();
        AffineQuantization.Dequantize(_affine.Codes, _affine.Scales, _affine.Zeros, Bits, AffineQuantization.DefaultGroup, [Elements], ScalarType.Float32);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var tensor in new[] { _values, _copy, _codes, _scales, _affine.Codes, _affine.Scales, _affine.Zeros })
            tensor.Dispose();
    }

    /// <summary>Bits that are kept for a number, with its share of scales and zeros.</summary>
    private double BitsKept(string operation)
    {
        Setup();
        var bytes = operation switch
        {
            nameof(Copy) => BytesOf(_copy),
            nameof(Quantize) or nameof(Dequantize) => BytesOf(_codes) + BytesOf(_scales),
            _ => BytesOf(_affine.Codes) + BytesOf(_affine.Scales) + BytesOf(_affine.Zeros),
        };
        Cleanup();
        return 8.0 * bytes / Elements;

        static long BytesOf(Tensor tensor) => tensor.NumberOfElements * tensor.ElementSize;
    }

    private sealed class QuantizationConfig : ManualConfig
    {
        public QuantizationConfig() => AddColumn(new StepColumn(
            "Bits kept", "Of a number, its share of scales and zeros included",
            (_, benchmark) => Of(benchmark).ToString("F2", CultureInfo.InvariantCulture)));

        private static double Of(BenchmarkCase benchmark) => new QuantizationBenchmarks
        {
            Bits = (int)benchmark.Parameters[nameof(Bits)],
            Elements = (int)benchmark.Parameters[nameof(Elements)],
        }.BitsKept(benchmark.Descriptor.WorkloadMethod.Name);
    }
}
