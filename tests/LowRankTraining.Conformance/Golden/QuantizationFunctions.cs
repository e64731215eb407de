using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded code tables and quantizers. Codes have to be equal: one wrong code is a deviation far above any tolerance.</summary>
public static class QuantizationFunctions
{
    public static IReadOnlyList<Deviation> DynamicMap(GoldenCase golden) => Map(golden, (golden.Whole("hp.total_bits"), golden.Flag("hp.signed")) switch
    {
        (8, true) => CodeTable.Dynamic8Signed,
        (8, false) => CodeTable.Dynamic8Unsigned,
        (4, true) => CodeTable.Dynamic4Signed,
        var other => throw new InvalidDataException($"Unknown dynamic map {other}."),
    });

    public static IReadOnlyList<Deviation> LinearMap(GoldenCase golden) => Map(golden, CodeTable.Linear4Unsigned);

    public static IReadOnlyList<Deviation> Blockwise8Bit(GoldenCase golden) =>
        Blockwise(golden, golden.Flag("hp.signed") ? CodeTable.Dynamic8Signed : CodeTable.Dynamic8Unsigned, "codes", "absmax");

    /// <summary>The authors' scale of an all-zero block is 1e-12 where ours is 0, which is far below the tolerance.</summary>
    public static IReadOnlyList<Deviation> Blockwise4Bit(GoldenCase golden) =>
        Blockwise(golden, golden.Flag("hp.signed") ? CodeTable.Dynamic4Signed : CodeTable.Linear4Unsigned, "packed", "scale");

    public static IReadOnlyList<Deviation> AffineToNearest(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        return Affine(golden, AffineQuantization.Quantize(
            Trajectory.ToTensor(golden["x"]), golden.Whole("hp.bits"), golden.Whole("hp.group"), compatibility: Compatibility.ReferenceCode));
    }

    public static IReadOnlyList<Deviation> AffineStochastic(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        return Affine(golden, AffineQuantization.QuantizeWith(
            Trajectory.ToTensor(golden["x"]), Trajectory.ToTensor(golden["random"]), golden.Whole("hp.bits"), golden.Whole("hp.group"),
                Compatibility.ReferenceCode));
    }

    private static Deviation[] Map(GoldenCase golden, CodeTable table)
    {
        var ours = table.Values.Select(value => (double)value).ToArray();
        return [Deviation.Of("map", ours, golden["map"].Values), Deviation.Of("map_float64", ours, golden["map_float64"].Values)];
    }

    private static Deviation[] Blockwise(GoldenCase golden, CodeTable table, string bytes, string scales)
    {
        using var scope = NewDisposeScope();
        var block = golden.Whole("hp.block");
        var (codes, absMax) = BlockwiseQuantization.Quantize(Trajectory.ToTensor(golden["x"]), table, block);
        var decoded = BlockwiseQuantization.Dequantize(codes, absMax, table, block, golden["x"].Shape, ScalarType.Float32);
        return
        [
            Deviation.Of(bytes, codes, golden[bytes]),
            Deviation.Of(scales, absMax, golden[scales]),
            Deviation.Of("dequantized", decoded, golden["dequantized"]),
        ];
    }

    private static Deviation[] Affine(GoldenCase golden, (Tensor Codes, Tensor Scales, Tensor Zeros) ours)
    {
        var bits = golden.Whole("hp.bits");
        var decoded = AffineQuantization.Dequantize(
            ours.Codes, ours.Scales, ours.Zeros, bits, golden.Whole("hp.group"), golden["x"].Shape, ScalarType.Float32);
        return
        [
            Deviation.Of("codes", bits == 8 ? Deviation.Values(ours.Codes) : Unpacked(ours.Codes), golden["codes"].Values),
            Deviation.Of("scales", ours.Scales, golden["scales"]),
            Deviation.Of("zeros", ours.Zeros, golden["zeros"]),
            Deviation.Of("dequantized", decoded, golden["dequantized"]),
        ];
    }

    /// <summary>The authors keep 4-bit codes one a byte, ours are two: the first in the high half.</summary>
    private static double[] Unpacked(Tensor bytes) =>
        [.. Deviation.Values(bytes).SelectMany(pair => new[] { Math.Floor(pair / 16), pair % 16 })];
}
