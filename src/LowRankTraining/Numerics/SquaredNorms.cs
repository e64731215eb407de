using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Squared norms of the rows or columns of a matrix.</summary>
internal static class SquaredNorms
{
    private const int WorthSharing = 1 << 20;

    /// <summary>The sum of squares along one axis, which stays with length 1.</summary>
    /// <param name="matrix">rows × columns.</param>
    /// <param name="axis">0 for the columns' norms (1 × columns), 1 for the rows' (rows × 1).</param>
    /// <remarks>On the CPU libtorch reduces along columns one number at a time. Float32 is there added up on spans, in one pass in either direction.</remarks>
    public static Tensor Along(Tensor matrix, int axis)
    {
        if (matrix.TryFloats(out var numbers) && !numbers.IsEmpty)
            return OnHost(matrix, numbers, axis);

        using var scope = NewDisposeScope();
        var packed = matrix.IsHere() && matrix.IsSingle() ? matrix.Packed() : matrix;
        var squares = packed.TryFloats(out numbers) && !numbers.IsEmpty
            ? OnHost(packed, numbers, axis)
            : matrix.norm(dim: axis, keepdim: true).square();
        return squares.MoveToOuterDisposeScope();
    }

    private static Tensor OnHost(Tensor matrix, ReadOnlySpan<float> numbers, int axis)
    {
        var columns = (int)matrix.size(1);
        var rows = numbers.Length / columns;
        var squares = axis == 0 ? empty(1, columns, ScalarType.Float32, CPU) : empty(rows, 1, ScalarType.Float32, CPU);

        var (results, others) = axis == 1 ? (rows, columns) : (columns, rows);
        if (results < WorthSharing / others)
            OfRange(numbers, squares.Floats(), axis, columns, 0);
        else
            Share(matrix, squares, axis, columns, results, WorthSharing / others);
        return squares;
    }

    /// <summary>Shared out by what comes out: every sum is one thread's alone.</summary>
    private static void Share(Tensor matrix, Tensor squares, int axis, int columns, int results, int worthSharing) =>
        HostMemory.ForRanges(results, axis == 1 ? 1 : 64, worthSharing,
            (first, count) => OfRange(matrix.Floats(), squares.Floats().Slice(first, count), axis, columns, first));

    /// <summary>Those of some rows, or of some columns.</summary>
    private static void OfRange(ReadOnlySpan<float> all, Span<float> results, int axis, int columns, int first)
    {
        var count = results.Length;
        if (axis == 1)
        {
            SpanNorms.OfRows(all.Slice(first * columns, count * columns), results);
            return;
        }

        var rented = ArrayPool<float>.Shared.Rent(count);
        SpanNorms.OfColumns(all, columns, first, results, rented.AsSpan(0, count));
        ArrayPool<float>.Shared.Return(rented);
    }
}

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
