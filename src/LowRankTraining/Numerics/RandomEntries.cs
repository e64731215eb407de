namespace LowRankTraining.Numerics;

/// <summary>Draws some of very many numbers, each at most once, without making them all.</summary>
/// <remarks>
/// <para>The draw is where a keyed permutation of 0 … M − 1 takes the first numbers, so nothing of length M is needed, and a longer draw holds every shorter
/// one. Integers only: the same key gives the same numbers on every device.</para>
/// <para>The permutation is a Feistel network over a nearly square table: with c = ⌈M / ⌈√M⌉⌉ columns, a number is l c + r. Four rounds in turn l ← (l + F(r))
/// mod ⌈√M⌉ and r ← (r + F(l)) mod c, with a keyed hash F of 31 bits: each can be undone, so no two numbers end in the same place. The few places beyond M − 1
/// are sent on until they are below it.</para>
/// <para>Source: Luby and Rackoff, SIAM J. Comput. 17 (1988); Black and Rogaway, CT-RSA 2002 (sending on).</para>
/// </remarks>
internal static class RandomEntries
{
    private const int Rounds = 4, Fold = 15;
    private const long Bits31 = 0x7fffffff;

    /// <summary>Odd factors of known hash functions; with 31 bits each, no product leaves 63.</summary>
    private static readonly long[] Factors = [0x7feb352d, 0x5bd1e995];

    /// <summary>Draws uniformly without replacement.</summary>
    /// <param name="count">How many, at most <paramref name="size"/>.</param>
    /// <param name="size">M, at least 1 and below 2⁶².</param>
    /// <param name="key">Seed of the draw.</param>
    /// <param name="device">Where the numbers are drawn. Default: the CPU.</param>
    /// <returns>int64, ascending, in [0, M).</returns>
    /// <exception cref="ArgumentOutOfRangeException">More are asked for than there are.</exception>
    public static Tensor Draw(long count, long size, ulong key, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, size);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(size, 1L << 62);

        using var scope = NewDisposeScope();
        var rows = (long)Math.Ceiling(Math.Sqrt(size));
        var columns = (size + rows - 1) / rows;
        var keys = Enumerable.Range(0, Rounds).Select(round => (long)RandomKey.For(key, "", "round", round) & Bits31).ToArray();

        var places = Permute(arange(count, ScalarType.Int64, device ?? CPU), rows, columns, keys);
        while (true)
        {
            using var beyond = places.ge(size);
            if (!beyond.any().ToBoolean())
                return places.sort().Values.MoveToOuterDisposeScope();

            using var pass = NewDisposeScope();
            places.masked_scatter_(beyond, Permute(places.masked_select(beyond), rows, columns, keys));
        }
    }

    /// <summary>Where numbers go. Their tensor is used up.</summary>
    private static Tensor Permute(Tensor numbers, long rows, long columns, long[] keys)
    {
        using var scope = NewDisposeScope();
        var left = numbers.floor_divide(columns);
        var right = numbers.remainder_(columns);
        for (var round = 0; round < keys.Length; round++)
        {
            using var pass = NewDisposeScope();
            if (round % 2 == 0)
                left.add_(Hash(right, keys[round])).remainder_(rows);
            else
                right.add_(Hash(left, keys[round])).remainder_(columns);
        }

        using (right)
            return left.mul_(columns).add_(right).MoveToOuterDisposeScope();
    }

    private static Tensor Hash(Tensor number, long key)
    {
        var hash = number.bitwise_xor(tensor(key, ScalarType.Int64, CPU));
        foreach (var factor in Factors)
        {
            hash.mul_(factor).bitwise_and_(tensor(Bits31, ScalarType.Int64, CPU));
            hash.bitwise_xor_(hash.bitwise_right_shift(tensor((long)Fold, ScalarType.Int64, CPU)));
        }

        return hash;
    }
}
