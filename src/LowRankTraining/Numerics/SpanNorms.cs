using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Sums of squares along one axis of a matrix in the processor's own memory, in one pass.</summary>
internal static class SpanNorms
{
    private const int SlabRows = 128;

    /// <summary>Those of some rows.</summary>
    /// <param name="rows">One row after the other.</param>
    /// <param name="squares">One number for each row.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OfRows(ReadOnlySpan<float> rows, Span<float> squares)
    {
        var columns = rows.Length / squares.Length;
        for (var row = 0; row < squares.Length; row++)
            squares[row] = OfRow(rows.Slice(row * columns, columns));
    }

    /// <summary>Those of some columns.</summary>
    /// <remarks>Rows are added up in slabs, and the slabs' sums after that: so rounding errors hardly grow with the number of rows.</remarks>
    /// <param name="matrix">The whole matrix.</param>
    /// <param name="columns">Numbers in a row.</param>
    /// <param name="first">The first of the columns.</param>
    /// <param name="squares">One number for each of the columns.</param>
    /// <param name="scratch">As long as <paramref name="squares"/>.</param>
    public static void OfColumns(ReadOnlySpan<float> matrix, int columns, int first, Span<float> squares, Span<float> scratch)
    {
        squares.Clear();
        var rows = matrix.Length / columns;
        for (var slab = 0; slab < rows; slab += SlabRows)
        {
            scratch.Clear();
            for (var row = slab; row < Math.Min(slab + SlabRows, rows); row++)
                AddSquares(matrix.Slice(row * columns + first, squares.Length), scratch);
            for (var column = 0; column < squares.Length; column++)
                squares[column] += scratch[column];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float OfRow(ReadOnlySpan<float> x)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(x);
        var (a, b, c, d) = (Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero);
        var i = 0;
        for (; i + 3 < vectors.Length; i += 4)
        {
            a += vectors[i] * vectors[i];
            b += vectors[i + 1] * vectors[i + 1];
            c += vectors[i + 2] * vectors[i + 2];
            d += vectors[i + 3] * vectors[i + 3];
        }

        for (; i < vectors.Length; i++)
            a += vectors[i] * vectors[i];

        var sum = Vector.Sum((a + b) + (c + d));
        foreach (var rest in x[(vectors.Length * Vector<float>.Count)..])
            sum += rest * rest;
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddSquares(ReadOnlySpan<float> row, Span<float> sums)
    {
        var x = MemoryMarshal.Cast<float, Vector<float>>(row);
        var s = MemoryMarshal.Cast<float, Vector<float>>(sums)[..x.Length];
        for (var i = 0; i < x.Length; i++)
            s[i] += x[i] * x[i];
        for (var i = x.Length * Vector<float>.Count; i < row.Length; i++)
            sums[i] += row[i] * row[i];
    }
}
