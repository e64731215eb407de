using System.Numerics;

namespace LanguageModel.Data;

/// <summary>A keyed shuffle of 0 … count − 1 that needs no memory: each place can be asked for on its own.</summary>
/// <remarks>
/// A Feistel network over the smallest even number of bits that holds <c>count</c>. Values outside the range are sent through again until
/// they land inside; that walk ends, because a permutation has only cycles. Source: Black and Rogaway, Ciphers with arbitrary finite domains.
/// </remarks>
public readonly struct Permutation(long count, ulong key)
{
    private const int Rounds = 6;

    private readonly int halfBits = Math.Max(1, (BitOperations.Log2((ulong)count) + 2) / 2);

    /// <summary>Where <paramref name="index"/> goes.</summary>
    public long this[long index]
    {
        get
        {
            var value = (ulong)index;
            do
                value = Encrypt(value);
            while (value >= (ulong)count);
            return (long)value;
        }
    }

    private ulong Encrypt(ulong value)
    {
        var mask = (1UL << halfBits) - 1;
        var (left, right) = (value >> halfBits, value & mask);
        for (var round = 0; round < Rounds; round++)
            (left, right) = (right, left ^ (Mixing.Mix(key + (ulong)round, right) & mask));
        return left << halfBits | right;
    }
}
