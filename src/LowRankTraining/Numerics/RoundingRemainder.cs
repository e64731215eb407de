namespace LowRankTraining.Numerics;

/// <summary>A float32 number as one in half precision and 8 bits more: what rounding to half precision cuts off is kept.</summary>
/// <remarks>
/// <para>A number x of half precision has p significant bits, 8 in bfloat16 and 11 in float16. x is rounded to p + 8 bits, to the nearest, which is off by at
/// most 2^−(p + 8) |x|; h is that rounded to p bits, to the nearest and away from zero where two are as near, and c the difference in units of the last of the
/// p + 8 bits, away from zero counted positive: −128 ≤ c ≤ 127. What is put together again and split once more gives the same h and c.</para>
/// <para>h is the nearest number in half precision but for rounding twice. Below the smallest normal number of half precision the unit stays what it is there.
/// What is not finite, or beyond the range of half precision, is rounded as ever.</para>
/// <para>Source: the error correction of FlashOptim, arXiv 2602.23349; there the remainder is scaled by the last place of h alone.</para>
/// </remarks>
internal static class RoundingRemainder
{
    private const int Bits = 8;
    private const long ChunkElements = 1 << 20;

    /// <summary>Splits numbers.</summary>
    /// <param name="source">x, float32, contiguous.</param>
    /// <param name="rounded">Takes h: bfloat16 or float16, contiguous, as many.</param>
    /// <param name="remainder">Takes c: int8, contiguous, as many.</param>
    public static void Split(Tensor source, Tensor rounded, Tensor remainder) =>
        InChunks(source, rounded, remainder, SpanRemainder.Split, SplitTensor);

    /// <summary>Puts numbers together again.</summary>
    /// <param name="rounded">h.</param>
    /// <param name="remainder">c.</param>
    /// <param name="target">Takes x, float32, contiguous.</param>
    public static void Join(Tensor rounded, Tensor remainder, Tensor target) =>
        InChunks(target, rounded, remainder, SpanRemainder.Join, JoinTensor);

    /// <summary>What <see cref="Split"/> does, by operations on tensors, of any device.</summary>
    internal static void SplitTensor(Tensor source, Tensor rounded, Tensor remainder)
    {
        using var scope = NewDisposeScope();
        var (unit, binade) = (Unit(rounded.dtype), Binade(source, rounded.dtype));
        var steps = source.div(binade).mul_(unit).round_();

        // Half a step further from zero, so that of two numbers that are as near the larger one is taken.
        rounded.copy_(steps.sign().mul_(0.5).add_(steps).div_(unit).mul_(binade).copysign_(source));
        var cut = steps - rounded.to(ScalarType.Float32).div_(binade).mul_(unit);
        remainder.copy_(cut.mul_(steps.sign()).nan_to_num_(0, 0, 0));
    }

    /// <summary>What <see cref="Join"/> does, by operations on tensors, of any device.</summary>
    internal static void JoinTensor(Tensor target, Tensor rounded, Tensor remainder)
    {
        using var scope = NewDisposeScope();
        var (single, steps) = (rounded.to(ScalarType.Float32), remainder.to(ScalarType.Float32));
        var (mantissa, _) = single.frexp();

        // Below a power of two numbers lie twice as close.
        var below = mantissa.abs_().eq(0.5).logical_and_(steps.lt(0)).to(ScalarType.Float32);
        var binade = Binade(single, rounded.dtype).mul_(below.mul_(-0.5).add_(1)).clamp_min_(Smallest(rounded.dtype));
        target.copy_(steps.div_(Unit(rounded.dtype)).mul_(binade).mul_(ones_like(single).copysign_(single)).add_(single));
    }

    /// <summary>Steps between two powers of two: 2^(p + 7).</summary>
    private static double Unit(ScalarType dtype) => 1 << (dtype == ScalarType.BFloat16 ? 8 : 11) + Bits - 1;

    /// <summary>The smallest number with all its digits.</summary>
    private static double Smallest(ScalarType dtype) => dtype == ScalarType.BFloat16 ? Precision.SmallestNormal : Math.ScaleB(1, -14);

    /// <summary>The largest power of two that is no larger than the number.</summary>
    private static Tensor Binade(Tensor x, ScalarType dtype)
    {
        var (mantissa, _) = x.frexp();
        return x.div(mantissa.mul_(2)).nan_to_num_(0, 0, 0).clamp_min_(Smallest(dtype));
    }

    private static void InChunks(Tensor single, Tensor rounded, Tensor remainder, OnSpans onSpans, Action<Tensor, Tensor, Tensor> onTensors)
    {
        using var scope = NewDisposeScope();
        var isOnHost = rounded.dtype == ScalarType.BFloat16 && new[] { single, rounded, remainder }.All(HostMemory.IsHere);
        var (x, h, c) = (single.view(-1), rounded.view(-1), remainder.view(-1));
        for (long start = 0, length = x.shape[0]; start < length; start += ChunkElements)
        {
            using var chunk = NewDisposeScope();
            var size = Math.Min(ChunkElements, length - start);
            var (xs, hs, cs) = (x.narrow(0, start, size), h.narrow(0, start, size), c.narrow(0, start, size));
            if (isOnHost)
                onSpans(xs, hs, cs);
            else
                onTensors(xs, hs, cs);
        }
    }

    private delegate void OnSpans(Tensor single, Tensor rounded, Tensor remainder);
}
