using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary><see cref="StochasticRounding"/> of numbers in the processor's own memory, by their bits: what is cut off, with as many random bits added to it,
/// carries into what is kept with just the right probability.</summary>
internal static class SpanRounding
{
    private const int Infinity = 0x7F800000;

    /// <summary>Rounds to fewer bits of the mantissa.</summary>
    /// <param name="source">What is rounded. What is not finite stays as it is.</param>
    /// <param name="target">Takes the rounded numbers.</param>
    /// <param name="cut">Bits of the mantissa that are cut off.</param>
    /// <param name="least">Bits of the least magnitude that is rounded; smaller numbers stay as they are.</param>
    /// <param name="uniform">Gives the random bits.</param>
    /// <param name="place">That of the first number.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Round(ReadOnlySpan<float> source, Span<float> target, int cut, int least, SpanUniform uniform, uint place)
    {
        var from = MemoryMarshal.Cast<float, Vector<int>>(source);
        var to = MemoryMarshal.Cast<float, Vector<int>>(target)[..from.Length];
        for (var i = 0; i < from.Length; i++)
            to[i] = Round(from[i], cut, least, uniform.Bits(place + (uint)(i * Vector<int>.Count)));

        var done = from.Length * Vector<int>.Count;
        if (done == source.Length)
            return;

        Span<float> rest = stackalloc float[Vector<float>.Count];
        source[done..].CopyTo(rest);
        MemoryMarshal.Cast<float, Vector<int>>(rest)[0] =
            Round(MemoryMarshal.Cast<float, Vector<int>>(rest)[0], cut, least, uniform.Bits(place + (uint)done));
        rest[..(source.Length - done)].CopyTo(target[done..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<int> Round(Vector<int> x, int cut, int least, Vector<uint> random)
    {
        var lost = new Vector<int>((1 << cut) - 1);
        var magnitude = x & new Vector<int>(int.MaxValue);
        var rounded = Vector.AndNot(x + (Vector.AsVectorInt32(random) & lost), lost);
        var isIn = Vector.LessThan(magnitude, new Vector<int>(Infinity)) & Vector.GreaterThanOrEqual(magnitude, new Vector<int>(least));
        return Vector.ConditionalSelect(isIn, rounded, x);
    }
}
