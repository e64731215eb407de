using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>The codes of <see cref="AffineQuantization"/> for numbers in the processor's own memory: one pass over each group, no scratch.</summary>
internal static class SpanAffine
{
    /// <summary>Codes that are found at a time; even.</summary>
    private const int Piece = 256;

    /// <summary>1.5 · 2²³: what is added to it and taken away again is a whole number, the nearest, or the even one of two that are equally near.</summary>
    private const float Rounder = 12582912;

    private static readonly SpanPairs Pairs = new([.. Enumerable.Range(0, 16).Select(code => (float)code)]);

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
        Span<int> room = stackalloc int[Piece];
        var (levels, codesOfByte, isStochastic) = ((1 << bits) - 1, 8 / bits, !uniform.IsEmpty);
        for (var at = 0; at < scales.Length; at++)
        {
            var (start, end) = (at * group, Math.Min((at + 1) * group, numbers.Length));
            var (min, max) = Range(numbers[start..end]);
            var scale = MathF.Max((max - min) / (isStochastic ? levels - 1 : levels), Precision.SmallestNormal);
            var zero = isStochastic ? MathF.Ceiling(-min / scale) : MathF.Round(-min / scale);
            (scales[at], zeros[at]) = (scale, (byte)zero);

            for (; start < end; start += Piece)
            {
                var piece = numbers.Slice(start, Math.Min(Piece, end - start));
                var found = room[..(piece.Length + piece.Length % codesOfByte)];
                found[^1] = (int)zero;
                FindCodes(piece, isStochastic ? uniform.Slice(start, piece.Length) : [], scale, (int)zero, levels, found);
                Pack(found, codes.Slice(start / codesOfByte, found.Length / codesOfByte));
            }
        }
    }

    /// <summary>The inverse of <see cref="Encode"/>, but for what rounding has lost.</summary>
    public static void Decode(ReadOnlySpan<byte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<byte> zeros, int bits, int group, Span<float> numbers)
    {
        for (var at = 0; at < scales.Length; at++)
        {
            var start = at * group;
            var part = numbers.Slice(start, Math.Min(group, numbers.Length - start));
            if (bits == 8)
                Read(codes[start..], part);
            else
                Pairs.Decode(codes[(start / 2)..], part);
            Scale(part, zeros[at], scales[at]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FindCodes(ReadOnlySpan<float> x, ReadOnlySpan<float> uniform, float scale, int zero, int levels, Span<int> codes)
    {
        var isStochastic = !uniform.IsEmpty;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(x);
        var draws = MemoryMarshal.Cast<float, Vector<float>>(uniform);
        var found = MemoryMarshal.Cast<int, Vector<int>>(codes)[..vectors.Length];
        var (scales, rounder, shift, highest) = (new Vector<float>(scale), new Vector<float>(Rounder), new Vector<int>(zero), new Vector<int>(levels));
        for (var i = 0; i < vectors.Length; i++)
        {
            var step = vectors[i] / scales;
            step = isStochastic ? RoundStochastically(step, draws[i]) : step + rounder - rounder;
            found[i] = Vector.Min(Vector.Max(Vector.ConvertToInt32(step) + shift, Vector<int>.Zero), highest);
        }

        for (var i = vectors.Length * Vector<float>.Count; i < x.Length; i++)
        {
            var step = x[i] / scale;
            var floor = MathF.Floor(step);
            step = isStochastic ? floor + (uniform[i] < step - floor ? 1 : 0) : MathF.Round(step);
            codes[i] = Math.Clamp((int)step + zero, 0, levels);
        }
    }

    /// <summary>One more where the uniform number lies below the fraction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> RoundStochastically(Vector<float> step, Vector<float> uniform)
    {
        var floor = Vector.Floor(step);
        return floor + Vector.ConditionalSelect(Vector.LessThan(uniform, step - floor), Vector<float>.One, Vector<float>.Zero);
    }

    /// <summary>Codes into bytes, one into each, or two where there are half as many bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(ReadOnlySpan<int> codes, Span<byte> bytes)
    {
        if (bytes.Length == codes.Length)
            for (var i = 0; i < bytes.Length; i++)
                bytes[i] = (byte)codes[i];
        else
            for (var i = 0; i < bytes.Length; i++)
                bytes[i] = (byte)(codes[2 * i] << 4 | codes[2 * i + 1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read(ReadOnlySpan<byte> codes, Span<float> x)
    {
        codes = codes[..x.Length];
        var bytes = MemoryMarshal.Cast<byte, Vector<byte>>(codes);
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(x)[..(4 * bytes.Length)];
        for (var i = 0; i < bytes.Length; i++)
        {
            Vector.Widen(bytes[i], out var first, out var second);
            (vectors[4 * i], vectors[4 * i + 1]) = Singles(first);
            (vectors[4 * i + 2], vectors[4 * i + 3]) = Singles(second);
        }

        for (var i = bytes.Length * Vector<byte>.Count; i < x.Length; i++)
            x[i] = codes[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector<float> First, Vector<float> Second) Singles(Vector<ushort> codes)
    {
        Vector.Widen(codes, out var first, out var second);
        return (Vector.ConvertToSingle(Vector.AsVectorInt32(first)), Vector.ConvertToSingle(Vector.AsVectorInt32(second)));
    }

    /// <summary>x ← (x − zero) · scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(Span<float> x, float zero, float scale)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(x);
        var (zeros, scales) = (new Vector<float>(zero), new Vector<float>(scale));
        for (var i = 0; i < vectors.Length; i++)
            vectors[i] = (vectors[i] - zeros) * scales;
        for (var i = vectors.Length * Vector<float>.Count; i < x.Length; i++)
            x[i] = (x[i] - zero) * scale;
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
