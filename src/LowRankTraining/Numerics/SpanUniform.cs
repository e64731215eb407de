using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Numerics;

/// <summary>Uniform random bits for numbers in the processor's own memory. Each is found from its place alone, so that any number of threads draw the same ones
/// in any order.</summary>
/// <remarks>
/// <para>A place goes twice through a hash of 32 bits that reaches every bit from every other, with half of the key before either pass.</para>
/// <para>Source: the hash is lowbias32 of C. Wellons (hash-prospector, public domain).</para>
/// </remarks>
/// <param name="Key">Names the stream.</param>
internal readonly record struct SpanUniform(ulong Key)
{
    private const float Step = 1f / (1 << 24);

    private static readonly Vector<uint> Lanes = LaneNumbers();

    private readonly ulong _mixed = RandomKey.Mix(Key);

    /// <summary>The stream that a generator names by its next number.</summary>
    public static SpanUniform From(Generator generator) => new((ulong)generator.NextNumber());

    /// <summary>32 random bits of every place from <paramref name="place"/> on, as many as a vector has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector<uint> Bits(uint place)
    {
        var x = Mixed(new Vector<uint>(place) + Lanes + new Vector<uint>((uint)_mixed));
        return Mixed(x ^ new Vector<uint>((uint)(_mixed >> 32)));
    }

    /// <summary>Numbers in [0, 1), multiples of 2⁻²⁴, of the places from <paramref name="place"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Fill(uint place, Span<float> uniform)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(uniform);
        for (var i = 0; i < vectors.Length; i++)
            vectors[i] = Numbers(place + (uint)(i * Vector<float>.Count));

        var done = vectors.Length * Vector<float>.Count;
        var rest = Numbers(place + (uint)done);
        for (var i = done; i < uniform.Length; i++)
            uniform[i] = rest[i - done];
    }

    private Vector<float> Numbers(uint place) => Vector.ConvertToSingle(Vector.AsVectorInt32(Vector.ShiftRightLogical(Bits(place), 8))) * Step;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> Mixed(Vector<uint> x)
    {
        x = (x ^ Vector.ShiftRightLogical(x, 16)) * 0x7feb352d;
        x = (x ^ Vector.ShiftRightLogical(x, 15)) * 0x846ca68b;
        return x ^ Vector.ShiftRightLogical(x, 16);
    }

    private static Vector<uint> LaneNumbers()
    {
        Span<uint> numbers = stackalloc uint[Vector<uint>.Count];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = (uint)i;
        return new(numbers);
    }
}
