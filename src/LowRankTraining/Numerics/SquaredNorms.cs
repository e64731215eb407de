using System.Buffers;

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
            : linalg.vector_norm(matrix, dims: [axis], keepdim: true).square();
        return squares.MoveToOuterDisposeScope();
    }

    private static Tensor OnHost(Tensor matrix, ReadOnlySpan<float> numbers, int axis)
    {
        var columns = (int)matrix.size(1);
        var rows = numbers.Length / columns;
        var squares = axis == 0 ? empty(1, columns, ScalarType.Float32) : empty(rows, 1, ScalarType.Float32);

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
