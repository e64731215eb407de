using System.Runtime.CompilerServices;

namespace LowRankTraining.Numerics;

/// <summary>The codes of a <see cref="CodeTable"/> for numbers in the processor's own memory: one pass over them, no scratch.</summary>
/// <remarks>
/// The answers are those of <see cref="Boundaries"/>, found in the same way, by a bin that holds one boundary at most. Here the bins are cut by the
/// bits of a float: 128 in each octave from 2⁻²³ to 1, one for all below and one for all above, for either sign. Neighbors in the finest of the codes
/// (dynamic, 8 bits, unsigned) are 1.8 bins apart.
/// </remarks>
internal sealed class SpanCodes
{
    private const int Octaves = 23, ExponentBias = 127, DroppedBits = 16;
    private const int Lowest = (ExponentBias - Octaves) << (23 - DroppedBits), Highest = ExponentBias << (23 - DroppedBits);

    /// <summary>Bins of one sign.</summary>
    private const int Half = Highest - Lowest + 1;

    /// <summary>Where no boundary is: the highest place of the sign, so that no difference overflows.</summary>
    private const int NoneBelowZero = -1, NoneAboveZero = int.MaxValue;

    private readonly Bin[] _bins = new Bin[2 * Half];
    private readonly float[] _values;

    /// <param name="values">What the codes stand for, ascending: 16 or 256 numbers.</param>
    /// <param name="boundaries">Where one value ends and the next begins.</param>
    /// <param name="inclusive">Whether a number on a boundary has the upper value.</param>
    public SpanCodes(float[] values, float[] boundaries, bool inclusive)
    {
        _values = values;
        Array.Fill(_bins, new(NoneBelowZero, 0), 0, Half);
        Array.Fill(_bins, new(NoneAboveZero, 0), Half, Half);
        foreach (var boundary in boundaries)
        {
            var (bin, place) = Locate(boundary);
            if (!IsEmpty(_bins[bin]))
                throw new ArgumentException($"{boundary} and the boundary below it are too close to each other for {Half} bins.", nameof(boundaries));
            _bins[bin] = new(inclusive ? place - 1 : place, 0);
        }

        for (var bin = 1; bin < _bins.Length; bin++)
            _bins[bin] = _bins[bin] with { Before = _bins[bin - 1].Before + (IsEmpty(_bins[bin - 1]) ? 0 : 1) };
    }

    /// <value>Whether the lowest boundary is zero itself. What is scaled down to zero by its block's largest number is then still above it.</value>
    public bool KeepsPositive { get; init; }

    /// <summary>Quantizes whole blocks, of which the last may be partial.</summary>
    /// <param name="numbers">What is quantized.</param>
    /// <param name="block">Numbers that share a scale; even where two codes share a byte.</param>
    /// <param name="codes">A byte for each number, or for two.</param>
    /// <param name="absMax">The scale of each block.</param>
    public void Encode(ReadOnlySpan<float> numbers, int block, Span<byte> codes, Span<float> absMax)
    {
        for (var at = 0; at < absMax.Length; at++)
        {
            var start = at * block;
            var part = numbers.Slice(start, Math.Min(block, numbers.Length - start));
            absMax[at] = Magnitudes.Largest(part);
            var reciprocal = 1 / MathF.Max(absMax[at], Precision.SmallestNormal);

            if (KeepsPositive)
                EncodePositive(part, reciprocal, codes[start..]);
            else if (_values.Length == 256)
                EncodeBytes(part, reciprocal, codes[start..]);
            else
                EncodePairs(part, reciprocal, codes[(start / 2)..]);
        }
    }

    /// <summary>The inverse of <see cref="Encode"/>, but for what rounding has lost.</summary>
    public void Decode(ReadOnlySpan<byte> codes, ReadOnlySpan<float> absMax, int block, Span<float> numbers)
    {
        for (var at = 0; at < absMax.Length; at++)
        {
            var start = at * block;
            var part = numbers.Slice(start, Math.Min(block, numbers.Length - start));
            if (_values.Length == 256)
                DecodeBytes(codes[start..], absMax[at], part);
            else
                DecodePairs(codes[(start / 2)..], absMax[at], part);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EncodeBytes(ReadOnlySpan<float> x, float reciprocal, Span<byte> codes)
    {
        ReadOnlySpan<Bin> bins = _bins;
        codes = codes[..x.Length];
        for (var i = 0; i < x.Length; i++)
            codes[i] = (byte)CodeOf(x[i] * reciprocal, bins);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EncodePositive(ReadOnlySpan<float> x, float reciprocal, Span<byte> codes)
    {
        ReadOnlySpan<Bin> bins = _bins;
        codes = codes[..x.Length];
        for (var i = 0; i < x.Length; i++)
            codes[i] = (byte)CodeOf(MathF.Max(x[i] * reciprocal, MathF.Min(x[i], Precision.SmallestNormal)), bins);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EncodePairs(ReadOnlySpan<float> x, float reciprocal, Span<byte> codes)
    {
        ReadOnlySpan<Bin> bins = _bins;
        for (var i = 0; i < x.Length; i += 2)
        {
            var (high, low) = (CodeOf(x[i] * reciprocal, bins), CodeOf(i + 1 < x.Length ? x[i + 1] * reciprocal : 0, bins));
            codes[i / 2] = (byte)(high << 4 | low);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DecodeBytes(ReadOnlySpan<byte> codes, float scale, Span<float> x)
    {
        ReadOnlySpan<float> values = _values;
        codes = codes[..x.Length];
        for (var i = 0; i < x.Length; i++)
            x[i] = values[codes[i]] * scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DecodePairs(ReadOnlySpan<byte> codes, float scale, Span<float> x)
    {
        ReadOnlySpan<float> values = _values;
        for (var i = 0; i < x.Length; i++)
            x[i] = values[i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15] * scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int CodeOf(float x, ReadOnlySpan<Bin> bins)
    {
        var (at, place) = Locate(x);
        ref readonly var bin = ref bins[at];

        // One more above the boundary, by the sign of the difference: which side of it a number lies on, no processor can foresee.
        return bin.Before + (int)((uint)(bin.Boundary - place) >> 31);
    }

    /// <summary>A number's bin, and its place among all floats: a whole number, larger for a larger one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (int Bin, int Place) Locate(float x)
    {
        var bits = BitConverter.SingleToInt32Bits(x);
        var (sign, magnitude) = (bits >> 31, bits & int.MaxValue);
        var size = Math.Min(Math.Max(magnitude >> DroppedBits, Lowest), Highest) - Lowest;

        // The sign is 0, or −1 below zero, where everything lies in reverse: k ^ −1 = −1 − k.
        return (Half + (size ^ sign), magnitude ^ sign);
    }

    private static bool IsEmpty(Bin bin) => bin.Boundary is NoneBelowZero or NoneAboveZero;

    /// <param name="Boundary">A number whose place is above it has the code after <paramref name="Before"/>.</param>
    /// <param name="Before">Boundaries in lower bins.</param>
    private readonly record struct Bin(int Boundary, int Before);
}
