using System.Buffers;
using TorchSharp;
using static TorchSharp.torch;

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
        using var scope = NewDisposeScope();
        var packed = matrix.device_type == DeviceType.CPU && matrix.IsSingle() ? matrix.Packed() : matrix;
        var squares = packed.IsOnHost() && packed.numel() > 0 ? OnHost(packed, axis) : linalg.vector_norm(matrix, dims: [axis], keepdim: true).square();
        return squares.MoveToOuterDisposeScope();
    }

    private static Tensor OnHost(Tensor matrix, int axis)
    {
        var (rows, columns) = ((int)matrix.size(0), (int)matrix.size(1));
        var squares = axis == 0 ? empty(1, columns, ScalarType.Float32) : empty(rows, 1, ScalarType.Float32);

        // Shared out by what comes out: every sum is one thread's alone.
        if (axis == 1)
            HostMemory.ForRanges(rows, multiple: 1, WorthSharing / columns, (row, count) =>
                SpanNorms.OfRows(matrix.Floats().Slice(row * columns, count * columns), squares.Floats().Slice(row, count)));
        else
            HostMemory.ForRanges(columns, multiple: 64, WorthSharing / rows, (column, count) =>
            {
                var rented = ArrayPool<float>.Shared.Rent(count);
                SpanNorms.OfColumns(matrix.Floats(), columns, column, squares.Floats().Slice(column, count), rented.AsSpan(0, count));
                ArrayPool<float>.Shared.Return(rented);
            });
        return squares;
    }
}
