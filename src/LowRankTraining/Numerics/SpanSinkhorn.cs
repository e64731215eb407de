using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Passes of Sinkhorn's algorithm over some rows of a matrix in the processor's own memory, whose squares are nowhere kept.</summary>
internal static class SpanSinkhorn
{
    /// <summary>u² ← n / (S v²), and what these rows add to Sᵀ u², with S = (power · G) ∘ (power · G): each row is read from memory once.</summary>
    /// <param name="matrix">Some rows of G, one after the other.</param>
    /// <param name="power">Brings entries into a range in which they can be squared.</param>
    /// <param name="columns">v².</param>
    /// <param name="rows">u², one for each of the rows; written.</param>
    /// <param name="sums">One for each column; written.</param>
    public static void Pass(ReadOnlySpan<float> matrix, float power, ReadOnlySpan<float> columns, Span<float> rows, Span<float> sums)
    {
        sums.Clear();
        for (var row = 0; row < rows.Length; row++)
        {
            var entries = matrix.Slice(row * columns.Length, columns.Length);
            rows[row] = Share(Sum(entries, power, columns), columns.Length);
            AddSquares(entries, power, rows[row], sums);
        }
    }

    /// <summary>length / sum; 0 where the sum is, or where it is too small for a quotient that is finite.</summary>
    public static float Share(float sum, int length) => sum > length * Precision.SmallestNormal ? length / sum : 0;

    /// <summary>target += scale · diag(rows) source diag(columns).</summary>
    public static void AddScaled(Span<float> target, ReadOnlySpan<float> source, ReadOnlySpan<float> rows, ReadOnlySpan<float> columns, float scale)
    {
        for (var row = 0; row < rows.Length; row++)
        {
            var at = row * columns.Length;
            AddScaled(target.Slice(at, columns.Length), source.Slice(at, columns.Length), scale * rows[row], columns);
        }
    }

    /// <summary>Σ (power · x)² v².</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(ReadOnlySpan<float> row, float power, ReadOnlySpan<float> columns)
    {
        var x = MemoryMarshal.Cast<float, Vector<float>>(row);
        var v = MemoryMarshal.Cast<float, Vector<float>>(columns)[..x.Length];
        var (p, a, b) = (new Vector<float>(power), Vector<float>.Zero, Vector<float>.Zero);
        var i = 0;
        for (; i + 1 < x.Length; i += 2)
        {
            a += Square(x[i] * p) * v[i];
            b += Square(x[i + 1] * p) * v[i + 1];
        }

        if (i < x.Length)
            a += Square(x[i] * p) * v[i];

        var sum = Vector.Sum(a + b);
        for (var rest = x.Length * Vector<float>.Count; rest < row.Length; rest++)
            sum += row[rest] * power * (row[rest] * power) * columns[rest];
        return sum;
    }

    /// <summary>sums += factor · (power · x)².</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddSquares(ReadOnlySpan<float> row, float power, float factor, Span<float> sums)
    {
        var x = MemoryMarshal.Cast<float, Vector<float>>(row);
        var s = MemoryMarshal.Cast<float, Vector<float>>(sums)[..x.Length];
        var (p, f) = (new Vector<float>(power), new Vector<float>(factor));
        for (var i = 0; i < x.Length; i++)
            s[i] += Square(x[i] * p) * f;
        for (var rest = x.Length * Vector<float>.Count; rest < row.Length; rest++)
            sums[rest] += row[rest] * power * (row[rest] * power) * factor;
    }

    /// <summary>Entry times row's factor first: of a tiny matrix the product of both factors may be out of range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddScaled(Span<float> target, ReadOnlySpan<float> source, float row, ReadOnlySpan<float> columns)
    {
        var t = MemoryMarshal.Cast<float, Vector<float>>(target);
        var s = MemoryMarshal.Cast<float, Vector<float>>(source)[..t.Length];
        var v = MemoryMarshal.Cast<float, Vector<float>>(columns)[..t.Length];
        var u = new Vector<float>(row);
        for (var i = 0; i < t.Length; i++)
            t[i] += s[i] * u * v[i];
        for (var rest = t.Length * Vector<float>.Count; rest < target.Length; rest++)
            target[rest] += source[rest] * row * columns[rest];
    }

    private static Vector<float> Square(Vector<float> x) => x * x;
}
