using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>The codes of a <see cref="CodeTable"/> for numbers in the processor's own memory: no scratch but what lies on the stack.</summary>
/// <remarks>
/// <para>The answers are those of <see cref="Boundaries"/>, found in the same way, by a bin that holds one boundary at most. Here the bins are cut by the
/// bits of a float: 128 in each octave from 2⁻²³ to 1, one for all below and one for all above, for either sign. Neighbors in the finest of the codes
/// (dynamic, 8 bits, unsigned) are 1.8 bins apart.</para>
/// <para>A number's place is a whole number, larger for a larger one, of which the upper 16 bits are its bin. A bin holds the boundaries in lower bins, times
/// 2¹⁶, and what the lower 16 bits of a place above its own boundary lack to a carry: the sum of both, divided by 2¹⁶, is the code. Places are found in
/// vectors, codes one by one.</para>
/// </remarks>
internal sealed class SpanCodes
{
    private const int Octaves = 23, MantissaBits = 23, One = 127 << MantissaBits, BinBits = 16, WithinBin = (1 << BinBits) - 1;

    /// <summary>Bits of the magnitudes that are told apart.</summary>
    private const int Lowest = One - (Octaves << MantissaBits), Highest = One + WithinBin;

    /// <summary>Bins of one sign.</summary>
    private const int Half = (Highest - Lowest >> BinBits) + 1;

    /// <summary>Places that are found at a time; even.</summary>
    private const int Piece = 256;

    /// <summary>The least number above zero that is told from it.</summary>
    private static readonly float Least = BitConverter.Int32BitsToSingle(Lowest + 1);

    private readonly int[] _bins = new int[2 * Half];
    private readonly float[] _values;
    private readonly SpanPairs? _pairs;

    /// <param name="values">What the codes stand for, ascending: 16 or 256 numbers.</param>
    /// <param name="boundaries">Where one value ends and the next begins.</param>
    /// <param name="inclusive">Whether a number on a boundary has the upper value.</param>
    public SpanCodes(float[] values, float[] boundaries, bool inclusive)
    {
        (_values, _pairs) = (values, values.Length == 16 ? new(values) : null);
        var (bin, before) = (0, 0);
        foreach (var boundary in boundaries)
        {
            var place = PlaceOf(boundary);
            var own = place >> BinBits;
            if (own < bin)
                throw new ArgumentException(
                    FormattableString.Invariant($"{boundary} and the boundary below it are too close to each other for {Half} bins."), nameof(boundaries));

            _bins.AsSpan(bin..own).Fill(before << BinBits);
            _bins[own] = (before << BinBits) + WithinBin - (place & WithinBin) + (inclusive ? 1 : 0);
            (bin, before) = (own + 1, before + 1);
        }

        _bins.AsSpan(bin).Fill(before << BinBits);
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
        Span<int> room = stackalloc int[Piece];
        var codesOfByte = _pairs is null ? 1 : 2;
        for (var at = 0; at < absMax.Length; at++)
        {
            var (start, end) = (at * block, Math.Min((at + 1) * block, numbers.Length));
            absMax[at] = HostNumbers.Largest(numbers[start..end]);
            var reciprocal = 1 / MathF.Max(absMax[at], Precision.SmallestNormal);

            for (; start < end; start += Piece)
            {
                var piece = numbers.Slice(start, Math.Min(Piece, end - start));
                var places = room[..(piece.Length + piece.Length % codesOfByte)];
                places[^1] = PlaceOf(0);
                FindPlaces(piece, reciprocal, places);
                Place(places, codes.Slice(start / codesOfByte, places.Length / codesOfByte));
            }
        }
    }

    /// <summary>The inverse of <see cref="Encode"/>, but for what rounding has lost.</summary>
    public void Decode(ReadOnlySpan<byte> codes, ReadOnlySpan<float> absMax, int block, Span<float> numbers)
    {
        for (var at = 0; at < absMax.Length; at++)
        {
            var start = at * block;
            var part = numbers.Slice(start, Math.Min(block, numbers.Length - start));
            if (_pairs is null)
            {
                DecodeBytes(codes[start..], absMax[at], part);
                continue;
            }

            _pairs.Decode(codes[(start / 2)..], part);
            SpanScaling.Multiply(part, absMax[at]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FindPlaces(ReadOnlySpan<float> x, float reciprocal, Span<int> places)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(x);
        var found = MemoryMarshal.Cast<int, Vector<int>>(places)[..vectors.Length];
        var (factor, least) = (new Vector<float>(reciprocal), new Vector<float>(Least));
        if (KeepsPositive)
            for (var i = 0; i < vectors.Length; i++)
                found[i] = PlacesOf(Vector.Max(vectors[i] * factor, Vector.Min(vectors[i] * float.MaxValue, least)));
        else
            for (var i = 0; i < vectors.Length; i++)
                found[i] = PlacesOf(vectors[i] * factor);

        for (var i = vectors.Length * Vector<float>.Count; i < x.Length; i++)
            places[i] = PlaceOf(KeepsPositive ? MathF.Max(x[i] * reciprocal, MathF.Min(x[i] * float.MaxValue, Least)) : x[i] * reciprocal);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Place(ReadOnlySpan<int> places, Span<byte> codes)
    {
        ReadOnlySpan<int> bins = _bins;
        if (codes.Length == places.Length)
            for (var i = 0; i < codes.Length; i++)
                codes[i] = (byte)CodeOf(places[i], bins);
        else
            for (var i = 0; i < codes.Length; i++)
                codes[i] = (byte)(CodeOf(places[2 * i], bins) << 4 | CodeOf(places[2 * i + 1], bins));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DecodeBytes(ReadOnlySpan<byte> codes, float scale, Span<float> x)
    {
        ReadOnlySpan<float> values = _values;
        codes = codes[..x.Length];
        for (var i = 0; i < x.Length; i++)
            x[i] = values[codes[i]] * scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int CodeOf(int place, ReadOnlySpan<int> bins) => bins[place >> BinBits] + (place & WithinBin) >> BinBits;

    /// <summary>A number's place. Its sign is 0, or −1 below zero, where everything lies in reverse: k ^ −1 = −1 − k.</summary>
    private static int PlaceOf(float x)
    {
        var bits = BitConverter.SingleToInt32Bits(x);
        return (Math.Clamp(bits & int.MaxValue, Lowest, Highest) - Lowest ^ bits >> 31) + (Half << BinBits);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<int> PlacesOf(Vector<float> x)
    {
        var bits = Vector.AsVectorInt32(x);
        var (magnitude, sign) = (bits & new Vector<int>(int.MaxValue), Vector.ShiftRightArithmetic(bits, 31));
        var size = Vector.Min(Vector.Max(magnitude, new(Lowest)), new(Highest)) - new Vector<int>(Lowest);
        return (size ^ sign) + new Vector<int>(Half << BinBits);
    }
}
