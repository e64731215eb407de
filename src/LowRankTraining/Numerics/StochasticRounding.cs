using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Rounds to a shorter floating-point type so that the expected value is exact.</summary>
/// <remarks>
/// x = m · 2ᴱ with m in [½, 1) becomes ⌊m · 2ᵇ⌋ · 2ᴱ⁻ᵇ, or the next number above where a uniform u in [0, 1) lies below the fraction that was cut
/// off; b are the significant bits of the target: 8 for bfloat16, 11 for float16. All of it is exact in float32 (m · 2ᵇ + u would not be), so representable
/// values stay what they are, and small updates survive in expectation where rounding to nearest loses them. Subnormal float16 values are rounded to nearest.
/// On a CPU <see cref="SpanRounding"/> does it in one pass.
/// </remarks>
internal static class StochasticRounding
{
    private const long ChunkElements = 1 << 20, ChunkOnHost = 1 << 18;
    private const int WorthSharing = 1 << 15;

    /// <summary>Bits of the least normal float16 number, 2⁻¹⁴.</summary>
    private const int LeastHalf = 127 - 14 << 23;

    /// <summary>Rounds <paramref name="source"/> into <paramref name="target"/>.</summary>
    /// <param name="source">float32, finite.</param>
    /// <param name="target">bfloat16 or float16, of the same shape.</param>
    /// <param name="generator">Draws u.</param>
    /// <exception cref="ArgumentException">Another target dtype.</exception>
    public static void Copy(Tensor source, Tensor target, Generator generator)
    {
        var bits = target.dtype switch
        {
            ScalarType.BFloat16 => 8,
            ScalarType.Float16 => 11,
            _ => throw new ArgumentException($"Stochastic rounding is for bfloat16 and float16, not for {target.dtype}.", nameof(target)),
        };

        using var scope = NewDisposeScope();
        if (!target.is_contiguous())
        {
            var packed = empty(target.shape, target.dtype, target.device);
            Copy(source, packed, generator);
            target.copy_(packed);
            return;
        }

        var (from, to) = (source.reshape(-1), target.view(-1));
        if (from.IsHere() && from.IsSingle())
            CopyOnHost(from, to, bits, SpanUniform.From(generator));
        else
            InChunks(from, to, ChunkElements, (_, part) => Round(part, bits, generator));
    }

    /// <summary>What <see cref="Copy"/> needs beside both tensors: the rounded numbers of a chunk; on a GPU a mantissa, an exponent, a power, its mask, a floor
    /// and a uniform number for each number of a larger one.</summary>
    public static long BytesFor(long elements, DeviceType where) =>
        where == DeviceType.CUDA ? 24 * Math.Min(elements, ChunkElements) : 4 * Math.Min(elements, ChunkOnHost);

    private static void CopyOnHost(Tensor from, Tensor to, int bits, SpanUniform uniform)
    {
        var (cut, least) = (24 - bits, to.dtype == ScalarType.Float16 ? LeastHalf : 0);
        InChunks(from, to, ChunkOnHost, (start, part) =>
        {
            var rounded = empty_like(part);
            HostMemory.ForRanges((int)part.numel(), 1, WorthSharing, (at, length) => SpanRounding.Round(
                part.Floats().Slice(at, length), rounded.Floats().Slice(at, length), cut, least, uniform, (uint)(start + at)));
            return rounded;
        });
    }

    /// <param name="from">One axis.</param>
    /// <param name="to">As long.</param>
    /// <param name="chunk">Numbers at a time.</param>
    /// <param name="round">Given where a chunk starts, and its numbers: the rounded ones.</param>
    private static void InChunks(Tensor from, Tensor to, long chunk, Func<long, Tensor, Tensor> round)
    {
        for (long start = 0, length = from.shape[0]; start < length; start += chunk)
        {
            using var temporaries = NewDisposeScope();
            var size = Math.Min(chunk, length - start);
            to.narrow(0, start, size).copy_(round(start, from.narrow(0, start, size)));
        }
    }

    private static Tensor Round(Tensor x, int bits, Generator generator)
    {
        var unit = Math.Pow(2, bits);
        var (mantissa, _) = x.frexp();
        var power = (x / mantissa).masked_fill_(mantissa.eq(0), 0);
        var scaled = mantissa.mul_(unit);
        var floor = scaled.floor();
        var uniform = generator.Uniform(x.shape, x.dtype, x.device);
        return floor.add_(uniform.lt_(scaled.sub_(floor))).mul_(power).div_(unit);
    }
}

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
