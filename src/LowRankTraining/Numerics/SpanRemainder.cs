using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary><see cref="RoundingRemainder"/> of bfloat16 numbers in the processor's own memory: a bfloat16 number is the upper half of a float32 one, and the
/// remainder the difference of the 8 bits that follow.</summary>
/// <remarks>Bits of magnitudes are in the order of the magnitudes, whatever their exponents: adding to them leads over powers of two.</remarks>
internal static class SpanRemainder
{
    private const int WorthSharing = 1 << 16, Half = 128;
    private const uint Sign = 0x80000000, Infinity = 0x7F800000, NotANumber = 0x7FC00000;

    /// <summary>x into h and c; contiguous tensors of as many numbers.</summary>
    public static void Split(Tensor single, Tensor rounded, Tensor remainder) => HostMemory.ForRanges((int)single.numel(), 1, WorthSharing, (start, length) =>
        Split(single.Floats().Slice(start, length), Halves(rounded).Slice(start, length), Bytes(remainder).Slice(start, length)));

    /// <summary>h and c into x; contiguous tensors of as many numbers.</summary>
    public static void Join(Tensor single, Tensor rounded, Tensor remainder) => HostMemory.ForRanges((int)single.numel(), 1, WorthSharing, (start, length) =>
        Join(Halves(rounded).Slice(start, length), Bytes(remainder).Slice(start, length), single.Floats().Slice(start, length)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Split(ReadOnlySpan<float> x, Span<ushort> h, Span<sbyte> c)
    {
        for (var i = 0; i < x.Length; i++)
        {
            var bits = BitConverter.SingleToUInt32Bits(x[i]);
            if ((bits & ~Sign) > Infinity)
                bits = NotANumber;

            // 16 significant bits, to the nearest, to the even one of two; then 8 of them, to the larger one of two.
            var kept = bits + (Half - 1) + ((bits >> 8) & 1) >> 8;
            var upper = kept + Half >> 8;
            (h[i], c[i]) = ((ushort)upper, (sbyte)(kept - (upper << 8)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Join(ReadOnlySpan<ushort> h, ReadOnlySpan<sbyte> c, Span<float> x)
    {
        for (var i = 0; i < x.Length; i++)
            x[i] = BitConverter.UInt32BitsToSingle((uint)((h[i] << 8) + c[i] << 8));
    }

    private static Span<ushort> Halves(Tensor tensor) => MemoryMarshal.Cast<byte, ushort>(tensor.bytes);

    private static Span<sbyte> Bytes(Tensor tensor) => MemoryMarshal.Cast<byte, sbyte>(tensor.bytes);
}
