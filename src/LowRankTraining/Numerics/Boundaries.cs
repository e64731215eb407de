namespace LowRankTraining.Numerics;

/// <summary>Ascending boundaries within [−1, 1], where they are needed: how many of them lie below a number.</summary>
/// <remarks>
/// <para>The answer is that of <c>bucketize</c>, whose binary search takes a branch that nobody can foresee at each of its eight steps. Here a number goes to
/// bin N + N sign(x) |x|^¼, and is compared with the one boundary that lies in it, if any: a dozen passes without a branch. (On a CPU <see cref="SpanCodes"/>
/// does it in one, where nothing is drawn.) Boundaries and numbers find their bins by the same monotone arithmetic, so no rounding in it can change the
/// answer.</para>
/// <para>The fourth root spreads codes whose entries lie closer the smaller they are about evenly: a dynamic code has half as many entries in each lower
/// decade, and 10^−¼ is 0.56.</para>
/// </remarks>
internal sealed class Boundaries
{
    /// <summary>N. Neighbors in the finest of the codes (dynamic, 8 bits, unsigned) are 1.8 bins apart.</summary>
    private const int Half = 1024;

    private readonly Tensor _before, _within;
    private readonly bool _inclusive;

    /// <param name="ascending">The boundaries, at most 255.</param>
    /// <param name="inclusive">Whether a number on a boundary counts as above it.</param>
    /// <param name="device">Where the numbers are.</param>
    public Boundaries(float[] ascending, bool inclusive, Device device)
    {
        using var scope = NewDisposeScope();
        var bins = BinOf(tensor(ascending, ScalarType.Float32, device)).cpu().data<int>().ToArray();
        var (before, within) = (new byte[2 * Half + 1], Enumerable.Repeat(float.NaN, 2 * Half + 1).ToArray());
        foreach (var (bin, boundary) in bins.Zip(ascending))
        {
            if (!float.IsNaN(within[bin]))
                throw new ArgumentException(
                    FormattableString.Invariant($"{within[bin]} and {boundary} are too close to each other for {Half} bins."), nameof(ascending));
            within[bin] = boundary;
        }

        for (var bin = 1; bin < before.Length; bin++)
            before[bin] = (byte)(before[bin - 1] + (float.IsNaN(within[bin - 1]) ? 0 : 1));

        _inclusive = inclusive;
        _before = tensor(before, ScalarType.Byte, device).DetachFromDisposeScope();
        _within = tensor(within, ScalarType.Float32, device).DetachFromDisposeScope();
    }

    /// <summary>The number of boundaries below every entry: 0 below all, as many as there are above all.</summary>
    /// <param name="x">float32. Of NaN any number is given.</param>
    /// <returns>uint8, in the shape of <paramref name="x"/>.</returns>
    public Tensor CountBelow(Tensor x)
    {
        using var scope = NewDisposeScope();
        var flat = x.reshape(-1);
        using var bins = BinOf(flat);
        using var isAbove = IsAbove(flat, bins);
        return _before.index_select(0, bins).add_(isAbove).view(x.shape).MoveToOuterDisposeScope();
    }

    private Tensor IsAbove(Tensor x, Tensor bins)
    {
        using var boundary = _within.index_select(0, bins);
        return _inclusive ? x.ge(boundary) : x.gt(boundary);
    }

    private static Tensor BinOf(Tensor x)
    {
        using var position = x.abs();
        position.sqrt_().sqrt_().copysign_(x).mul_(Half).add_(Half);
        return position.to(ScalarType.Int32).clamp_(0, 2 * Half);
    }
}
