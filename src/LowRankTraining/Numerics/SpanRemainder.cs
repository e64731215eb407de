using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary><see cref="RoundingRemainder"/> of bfloat16 numbers in the processor's own memory: a bfloat16 number is the upper half of a float32 one, and the
/// remainder the difference of the 8 bits that follow.</summary>
/// <remarks>Bits of magnitudes are in the order of the magnitudes, whatever their exponents: adding to them leads over powers of two.</remarks>
internal static class SpanRemainder
{
    private const int WorthSharing = 1 << 16, Half = 128, Infinity = 0x7F800000, NotANumber = 0x7FC00000;

    /// <summary>x into h and c; contiguous tensors of as many numbers.</summary>
    public static void Split(Tensor single, Tensor rounded, Tensor remainder) => HostMemory.ForRanges((int)single.numel(), 1, WorthSharing, (start, length) =>
        Split(single.Floats().Slice(start, length), Halves(rounded).Slice(start, length), Bytes(remainder).Slice(start, length)));

    /// <summary>h and c into x; contiguous tensors of as many numbers.</summary>
    public static void Join(Tensor single, Tensor rounded, Tensor remainder) => HostMemory.ForRanges((int)single.numel(), 1, WorthSharing, (start, length) =>
        Join(Halves(rounded).Slice(start, length), Bytes(remainder).Slice(start, length), single.Floats().Slice(start, length)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Split(ReadOnlySpan<float> x, Span<ushort> h, Span<sbyte> c)
    {
        var from = MemoryMarshal.Cast<float, Vector<int>>(x);
        var remainders = MemoryMarshal.Cast<sbyte, Vector<sbyte>>(c[..x.Length]);
        var upper = MemoryMarshal.Cast<ushort, Vector<ushort>>(h[..x.Length])[..(2 * remainders.Length)];
        for (var i = 0; i < remainders.Length; i++)
        {
            var ((h0, c0), (h1, c1), (h2, c2), (h3, c3)) = (Split(from[4 * i]), Split(from[4 * i + 1]), Split(from[4 * i + 2]), Split(from[4 * i + 3]));
            upper[2 * i] = Vector.Narrow(h0, h1);
            upper[2 * i + 1] = Vector.Narrow(h2, h3);
            remainders[i] = Vector.Narrow(Vector.Narrow(c0, c1), Vector.Narrow(c2, c3));
        }

        for (var i = remainders.Length * Vector<sbyte>.Count; i < x.Length; i++)
        {
            var (kept, lower) = Split(new Vector<int>(BitConverter.SingleToInt32Bits(x[i])));
            (h[i], c[i]) = ((ushort)kept[0], (sbyte)lower[0]);
        }
    }

    /// <summary>Of bits of numbers: the 16 that are kept, and the 8 that follow.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector<uint> Upper, Vector<int> Lower) Split(Vector<int> bits)
    {
        var isNumber = Vector.LessThanOrEqual(bits & new Vector<int>(int.MaxValue), new Vector<int>(Infinity));
        bits = Vector.ConditionalSelect(isNumber, bits, new Vector<int>(NotANumber));

        // 16 significant bits, to the nearest, to the even one of two; then 8 of them, to the larger one of two.
        var odd = Vector.ShiftRightLogical(bits, 8) & Vector<int>.One;
        var kept = Vector.ShiftRightLogical(bits + new Vector<int>(Half - 1) + odd, 8);
        var upper = Vector.ShiftRightLogical(kept + new Vector<int>(Half), 8);
        return (Vector.AsVectorUInt32(upper), kept - Vector.ShiftLeft(upper, 8));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Join(ReadOnlySpan<ushort> h, ReadOnlySpan<sbyte> c, Span<float> x)
    {
        var remainders = MemoryMarshal.Cast<sbyte, Vector<sbyte>>(c[..x.Length]);
        var upper = MemoryMarshal.Cast<ushort, Vector<ushort>>(h[..x.Length])[..(2 * remainders.Length)];
        var to = MemoryMarshal.Cast<float, Vector<int>>(x)[..(4 * remainders.Length)];
        for (var i = 0; i < remainders.Length; i++)
        {
            Vector.Widen(remainders[i], out var first, out var second);
            Join(upper[2 * i], first, out to[4 * i], out to[4 * i + 1]);
            Join(upper[2 * i + 1], second, out to[4 * i + 2], out to[4 * i + 3]);
        }

        for (var i = remainders.Length * Vector<sbyte>.Count; i < x.Length; i++)
            x[i] = BitConverter.Int32BitsToSingle((h[i] << 8) + c[i] << 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Join(Vector<ushort> h, Vector<short> c, out Vector<int> first, out Vector<int> second)
    {
        Vector.Widen(h, out var upper0, out var upper1);
        Vector.Widen(c, out var lower0, out var lower1);
        first = Vector.ShiftLeft(Vector.ShiftLeft(Vector.AsVectorInt32(upper0), 8) + lower0, 8);
        second = Vector.ShiftLeft(Vector.ShiftLeft(Vector.AsVectorInt32(upper1), 8) + lower1, 8);
    }

    private static Span<ushort> Halves(Tensor tensor) => MemoryMarshal.Cast<byte, ushort>(tensor.bytes);

    private static Span<sbyte> Bytes(Tensor tensor) => MemoryMarshal.Cast<byte, sbyte>(tensor.bytes);
}
