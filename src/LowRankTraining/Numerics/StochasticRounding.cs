namespace LowRankTraining.Numerics;

/// <summary>Rounds to a shorter floating-point type so that the expected value is exact.</summary>
/// <remarks>
/// x = m · 2ᴱ with m in [½, 1) becomes ⌊m · 2ᵇ⌋ · 2ᴱ⁻ᵇ, or the next number above where a uniform u in [0, 1) lies below the fraction that was cut
/// off; b are the significant bits of the target: 8 for bfloat16, 11 for float16. All of it is exact in float32 (m · 2ᵇ + u would not be), so representable
/// values stay what they are, and small updates survive in expectation where rounding to nearest loses them. Subnormal float16 values are rounded to nearest.
/// </remarks>
internal static class StochasticRounding
{
    private const long ChunkElements = 1 << 20;

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

        for (long start = 0, length = from.shape[0]; start < length; start += ChunkElements)
        {
            using var chunk = NewDisposeScope();
            var size = Math.Min(ChunkElements, length - start);
            to.narrow(0, start, size).copy_(Round(from.narrow(0, start, size), bits, generator));
        }
    }

    /// <summary>What <see cref="Copy"/> needs beside both tensors: a mantissa, an exponent, a power, its mask, a floor and a uniform number for each number
    /// of a chunk.</summary>
    public static long BytesFor(long elements) => 24 * Math.Min(elements, ChunkElements);

    private static Tensor Round(Tensor x, int bits, Generator generator)
    {
        var unit = Math.Pow(2, bits);
        var (mantissa, _) = x.frexp();
        var power = (x / mantissa).masked_fill_(mantissa == 0, 0);
        var scaled = mantissa.mul_(unit);
        var floor = scaled.floor();
        var uniform = rand(x.shape, x.dtype, x.device, generator: generator);
        return floor.add_(uniform.lt_(scaled.sub_(floor))).mul_(power).div_(unit);
    }
}
