namespace LanguageModel.Data;

/// <summary>Turns keys into numbers that look random, the same on every machine.</summary>
/// <remarks>Source: the finalizer of SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators).</remarks>
public static class Mixing
{
    /// <summary>A number that depends on every bit of both arguments.</summary>
    public static ulong Mix(ulong key, ulong value)
    {
        var mixed = key + (value + 1) * 0x9E3779B97F4A7C15;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }
}
