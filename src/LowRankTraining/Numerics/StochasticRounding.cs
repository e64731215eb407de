using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Numerics;

/// <summary>Rounds to a shorter floating-point type so that the expected value is exact.</summary>
/// <remarks>
/// x = m · 2ᴱ with m in [½, 1) becomes ⌊m · 2ᵇ + u⌋ · 2ᴱ⁻ᵇ, with u uniform in [0, 1) and b the significant bits of the target: 8 for bfloat16, 11 for float16.
/// All of it is exact in float32, so representable values stay what they are, and small updates survive in expectation where rounding to nearest loses them.
/// Subnormal float16 values are rounded to nearest.
/// </remarks>
public static class StochasticRounding
{
    private const long ChunkElements = 1 << 20;

    /// <summary>Rounds <paramref name="source"/> into <paramref name="target"/>.</summary>
    /// <param name="source">float32, finite.</param>
    /// <param name="target">bfloat16 or float16, of the same shape, contiguous.</param>
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
        var (from, to) = (source.reshape(-1), target.view(-1));

        for (long start = 0, length = from.shape[0]; start < length; start += ChunkElements)
        {
            using var chunk = NewDisposeScope();
            var size = Math.Min(ChunkElements, length - start);
            to.narrow(0, start, size).copy_(Round(from.narrow(0, start, size), bits, generator));
        }
    }

    private static Tensor Round(Tensor x, int bits, Generator generator)
    {
        var unit = Math.Pow(2, bits);
        var (mantissa, _) = x.frexp();
        var power = (x / mantissa).masked_fill_(mantissa == 0, 0);
        var noise = rand(x.shape, x.dtype, x.device, generator: generator);
        return mantissa.mul(unit).add_(noise).floor_().mul_(power).div_(unit);
    }
}
