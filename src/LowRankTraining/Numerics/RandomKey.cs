using System.Text;

namespace LowRankTraining.Numerics;

/// <summary>Derives seeds from what a random number is for, so that no two uses share a stream and none depends on the order of calls.</summary>
internal static class RandomKey
{
    private const ulong FnvOffset = 0xcbf29ce484222325, FnvPrime = 0x100000001b3;

    /// <summary>A 63-bit seed; equal inputs give equal seeds on every machine.</summary>
    /// <remarks>FNV-1a over the names, then the finalizer of SplitMix64 (Steele, Lea and Flood, 2014) after each number.</remarks>
    /// <param name="seed">The session's.</param>
    /// <param name="parameter">Its name.</param>
    /// <param name="purpose">What the number is for.</param>
    /// <param name="step">When.</param>
    /// <param name="part">Follows the name.</param>
    public static ulong For(ulong seed, string parameter, string purpose, long step, string part = "")
    {
        var key = Mix(seed);
        key = Mix(key ^ Hash(part, Hash(parameter)));
        key = Mix(key ^ Hash(purpose));
        return Mix(key ^ (ulong)step) >> 1;
    }

    private static ulong Hash(string text, ulong hash = FnvOffset)
    {
        foreach (var unit in Encoding.UTF8.GetBytes(text))
            hash = (hash ^ unit) * FnvPrime;
        return hash;
    }

    /// <summary>A number that has nothing in common with those of neighboring ones.</summary>
    public static ulong Mix(ulong x)
    {
        x += 0x9e3779b97f4a7c15;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
    }
}
