using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>The codes of <see cref="AffineQuantization"/> for numbers in the processor's own memory: one pass over each group, no scratch.</summary>
internal static class SpanAffine
{
    /// <summary>Quantizes whole groups, of which the last may be partial.</summary>
    /// <param name="numbers">What is quantized, finite.</param>
    /// <param name="uniform">One in [0, 1) for each number: it is rounded up where its own lies below the fraction. Nothing rounds to nearest.</param>
    /// <param name="bits">8 or 4.</param>
    /// <param name="group">Numbers that share a scale; even for 4 bits.</param>
    /// <param name="codes">A byte for each number, or for two.</param>
    /// <param name="scales">One for each group.</param>
    /// <param name="zeros">One for each group.</param>
    public static void Encode(
        ReadOnlySpan<float> numbers, ReadOnlySpan<float> uniform, int bits, int group, Span<byte> codes, Span<float> scales, Span<byte> zeros)
    {
        var levels = (1 << bits) - 1;
        for (var at = 0; at < scales.Length; at++)
        {
            var start = at * group;
            var part = numbers.Slice(start, Math.Min(group, numbers.Length - start));
            var isStochastic = !uniform.IsEmpty;
            var (min, max) = Range(part);
            var scale = MathF.Max((max - min) / (isStochastic ? levels - 1 : levels), Precision.SmallestNormal);
            var zero = isStochastic ? MathF.Ceiling(-min / scale) : MathF.Round(-min / scale);

            (scales[at], zeros[at]) = (scale, (byte)zero);
            Encode(part, isStochastic ? uniform.Slice(start, part.Length) : [], scale, (int)zero, bits, codes[(start * bits / 8)..]);
        }
    }

    /// <summary>The inverse of <see cref="Encode(ReadOnlySpan{float}, ReadOnlySpan{float}, int, int, Span{byte}, Span{float}, Span{byte})"/>, but for what
    /// rounding has lost.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Decode(ReadOnlySpan<byte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<byte> zeros, int bits, int group, Span<float> numbers)
    {
        for (var at = 0; at < scales.Length; at++)
        {
            var start = at * group;
            var part = numbers.Slice(start, Math.Min(group, numbers.Length - start));
            var bytes = codes[(start * bits / 8)..];
            var (scale, zero) = (scales[at], zeros[at]);

            if (bits == 8)
                for (var i = 0; i < part.Length; i++)
                    part[i] = (bytes[i] - zero) * scale;
            else
                for (var i = 0; i < part.Length; i++)
                    part[i] = ((bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15) - zero) * scale;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> uniform, float scale, int zero, int bits, Span<byte> codes)
    {
        var levels = (1 << bits) - 1;
        for (var i = 0; i < x.Length; i++)
        {
            var step = uniform.IsEmpty ? MathF.Round(x[i] / scale) : RoundStochastically(x[i] / scale, uniform[i]);
            var code = Math.Min(Math.Max((int)step + zero, 0), levels);

            if (bits == 8)
                codes[i] = (byte)code;
            else if (i % 2 == 0)
                codes[i / 2] = (byte)(code << 4 | zero);
            else
                codes[i / 2] = (byte)(codes[i / 2] & 0xF0 | code);
        }
    }

    /// <summary>One more where the uniform number lies below the fraction, by the sign of their difference: no processor can foresee it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float RoundStochastically(float step, float uniform)
    {
        var floor = MathF.Floor(step);
        return floor + (int)((uint)BitConverter.SingleToInt32Bits(uniform - (step - floor)) >> 31);
    }

    /// <summary>From the smallest to the largest number, or to zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Min, float Max) Range(ReadOnlySpan<float> x)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(x);
        var (smallest, largest) = (Vector<float>.Zero, Vector<float>.Zero);
        foreach (var vector in vectors)
            (smallest, largest) = (Vector.Min(smallest, vector), Vector.Max(largest, vector));

        var (min, max) = (0f, 0f);
        for (var lane = 0; lane < Vector<float>.Count; lane++)
            (min, max) = (MathF.Min(min, smallest[lane]), MathF.Max(max, largest[lane]));
        foreach (var rest in x[(vectors.Length * Vector<float>.Count)..])
            (min, max) = (MathF.Min(min, rest), MathF.Max(max, rest));
        return (min, max);
    }
}
