using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Magnitudes of numbers in the processor's own memory.</summary>
internal static class Magnitudes
{
    /// <summary>The largest one; NaN where there is a NaN, 0 where there is nothing.</summary>
    /// <remarks>Magnitudes are in the order of their bits, in which NaN lies above infinity.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Largest(ReadOnlySpan<float> x)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<int>>(x);
        var (first, second, magnitude) = (Vector<int>.Zero, Vector<int>.Zero, new Vector<int>(int.MaxValue));
        var i = 0;
        for (; i + 1 < vectors.Length; i += 2)
        {
            first = Vector.Max(first, vectors[i] & magnitude);
            second = Vector.Max(second, vectors[i + 1] & magnitude);
        }

        if (i < vectors.Length)
            first = Vector.Max(first, vectors[i] & magnitude);

        var (largest, max) = (Vector.Max(first, second), 0);
        for (var lane = 0; lane < Vector<int>.Count; lane++)
            max = Math.Max(max, largest[lane]);
        foreach (var rest in x[(vectors.Length * Vector<int>.Count)..])
            max = Math.Max(max, BitConverter.SingleToInt32Bits(rest) & int.MaxValue);
        return BitConverter.Int32BitsToSingle(max);
    }

    /// <summary>The same of numbers in bfloat16, which are the upper halves of a float's bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Largest(ReadOnlySpan<ushort> x)
    {
        var vectors = MemoryMarshal.Cast<ushort, Vector<ushort>>(x);
        var (largest, magnitude, max) = (Vector<ushort>.Zero, new Vector<ushort>((ushort)short.MaxValue), 0);
        foreach (var vector in vectors)
            largest = Vector.Max(largest, vector & magnitude);
        for (var lane = 0; lane < Vector<ushort>.Count; lane++)
            max = Math.Max(max, largest[lane]);
        foreach (var rest in x[(vectors.Length * Vector<ushort>.Count)..])
            max = Math.Max(max, rest & short.MaxValue);
        return BitConverter.Int32BitsToSingle(max << 16);
    }
}
