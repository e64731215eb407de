using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Scales numbers in the processor's own memory, and adds a matrix whose rows or columns are scaled one by one.</summary>
internal static class SpanScaling
{
    /// <summary>target += scale · diag(factors) source.</summary>
    public static void AddRows(Span<float> target, ReadOnlySpan<float> source, ReadOnlySpan<float> factors, float scale)
    {
        var columns = target.Length / factors.Length;
        for (var row = 0; row < factors.Length; row++)
            Add(target.Slice(row * columns, columns), source.Slice(row * columns, columns), scale * factors[row]);
    }

    /// <summary>target += scale · source diag(factors).</summary>
    public static void AddColumns(Span<float> target, ReadOnlySpan<float> source, ReadOnlySpan<float> factors, float scale)
    {
        for (var at = 0; at < target.Length; at += factors.Length)
            Add(target.Slice(at, factors.Length), source.Slice(at, factors.Length), factors, scale);
    }

    /// <summary>target ← factor · target.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(Span<float> target, float factor)
    {
        var t = MemoryMarshal.Cast<float, Vector<float>>(target);
        for (var i = 0; i < t.Length; i++)
            t[i] *= factor;
        for (var i = t.Length * Vector<float>.Count; i < target.Length; i++)
            target[i] *= factor;
    }

    /// <summary>target += factor · source.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(Span<float> target, ReadOnlySpan<float> source, float factor)
    {
        var t = MemoryMarshal.Cast<float, Vector<float>>(target);
        var s = MemoryMarshal.Cast<float, Vector<float>>(source)[..t.Length];
        var factors = new Vector<float>(factor);
        for (var i = 0; i < t.Length; i++)
            t[i] += s[i] * factors;
        for (var i = t.Length * Vector<float>.Count; i < target.Length; i++)
            target[i] += source[i] * factor;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(Span<float> target, ReadOnlySpan<float> source, ReadOnlySpan<float> factors, float scale)
    {
        var t = MemoryMarshal.Cast<float, Vector<float>>(target);
        var s = MemoryMarshal.Cast<float, Vector<float>>(source)[..t.Length];
        var f = MemoryMarshal.Cast<float, Vector<float>>(factors)[..t.Length];
        var scales = new Vector<float>(scale);
        for (var i = 0; i < t.Length; i++)
            t[i] += s[i] * (f[i] * scales);
        for (var i = t.Length * Vector<float>.Count; i < target.Length; i++)
            target[i] += source[i] * (factors[i] * scale);
    }
}
