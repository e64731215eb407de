using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>4-bit codes, two per byte, the first in the high half, in the processor's own memory: a byte is looked up as the two numbers that it stands
/// for.</summary>
/// <param name="values">What the 16 codes stand for.</param>
internal sealed class SpanPairs(ReadOnlySpan<float> values)
{
    private readonly long[] _pairs = PairsOf(values);

    /// <summary>The numbers of codes; of the last byte only the first where they are odd.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Decode(ReadOnlySpan<byte> codes, Span<float> numbers)
    {
        ReadOnlySpan<long> table = _pairs;
        var pairs = MemoryMarshal.Cast<float, long>(numbers);
        for (var i = 0; i < pairs.Length; i++)
            pairs[i] = table[codes[i]];
        if (numbers.Length % 2 == 1)
            numbers[^1] = MemoryMarshal.Cast<long, float>(table)[2 * codes[pairs.Length]];
    }

    private static long[] PairsOf(ReadOnlySpan<float> values)
    {
        var pairs = new long[256];
        var numbers = MemoryMarshal.Cast<long, float>(pairs.AsSpan());
        for (var i = 0; i < pairs.Length; i++)
            (numbers[2 * i], numbers[2 * i + 1]) = (values[i >> 4], values[i & 15]);
        return pairs;
    }
}
