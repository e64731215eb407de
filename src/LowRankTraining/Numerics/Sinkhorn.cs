using System.Buffers;

namespace LowRankTraining.Numerics;

/// <summary>Factors of rows and of columns with which all rows of a matrix have one length, and all columns: diag(u) G diag(v).</summary>
/// <remarks>A pass is u² ← n / (S v²), v² ← m / (Sᵀ u²) with S = G ∘ G. The matrix stays as it is, and on the CPU a pass reads it once, row by row, so that
/// nothing of its size is made. Rows and columns of zeros have 0 for a factor.</remarks>
internal readonly record struct Sinkhorn(Tensor Rows, Tensor Columns)
{
    /// <summary>Sums over columns are added up within so many rows, and these sums after that: they do not depend on who adds them.</summary>
    private const int BlockRows = 64;

    private const int WorthSharing = 1 << 20;

    /// <summary>u (rows) and v (columns), in the scope of the caller.</summary>
    /// <param name="matrix">G, rows × columns, float32 or float64, finite.</param>
    /// <param name="passes">How often rows and columns are brought to one length.</param>
    public static Sinkhorn Of(Tensor matrix, int passes)
    {
        using var scope = NewDisposeScope();
        var power = matrix.PowerIntoRange();
        var rows = empty(matrix.size(0), matrix.dtype, matrix.device);
        var columns = ones(matrix.size(1), matrix.dtype, matrix.device);
        if (matrix.IsOnHost())
            OnHost(matrix, power.ToSingle(), passes, rows, columns);
        else
            ByProducts(matrix.mul(power).pow_(2), passes, rows, columns);

        // Only of subnormal rows the factor would be infinite, and a zero in them would come out as NaN.
        rows.sqrt_().mul_(power).clamp_max_(float.MaxValue);
        return new(rows.MoveToOuterDisposeScope(), columns.sqrt_().MoveToOuterDisposeScope());
    }

    /// <summary>diag(u) G diag(v), a new tensor.</summary>
    public Tensor Apply(Tensor matrix)
    {
        using var rows = Rows.unsqueeze(1);
        return matrix.mul(rows).mul_(Columns);
    }

    /// <summary>target += scale · diag(u) G diag(v), for a target of as many numbers, row by row.</summary>
    public void AddTo(Tensor target, Tensor matrix, double scale)
    {
        if (!target.IsOnHost() || !matrix.IsOnHost())
        {
            using var scaled = Apply(matrix);
            target.add_(scaled.reshape(target.shape), scale);
            return;
        }

        var (rows, columns) = (Rows, Columns);
        var width = (int)columns.size(0);
        HostMemory.ForRanges((int)rows.size(0), 1, WorthSharing / width + 1, (first, count) => SpanSinkhorn.AddScaled(
            target.Floats().Slice(first * width, count * width), matrix.Floats().Slice(first * width, count * width),
            rows.Floats().Slice(first, count), columns.Floats(), (float)scale));
    }

    private static void ByProducts(Tensor squares, int passes, Tensor rows, Tensor columns)
    {
        using var scope = NewDisposeScope();
        using var transposed = squares.t();
        for (var pass = 0; pass < passes; pass++)
        {
            rows.copy_(Shares(squares.mv(columns), squares.size(1)));
            columns.copy_(Shares(transposed.mv(rows), squares.size(0)));
        }
    }

    /// <summary><see cref="SpanSinkhorn.Share"/> of each.</summary>
    private static Tensor Shares(Tensor sums, long length) =>
        where(sums.gt(length * Precision.SmallestNormal), sums.reciprocal().mul_(length), zeros_like(sums));

    private static void OnHost(Tensor matrix, float power, int passes, Tensor rows, Tensor columns)
    {
        var (height, width) = ((int)rows.size(0), (int)columns.size(0));
        var blocks = (height - 1) / BlockRows + 1;
        var sums = ArrayPool<float>.Shared.Rent(blocks * width);
        for (var pass = 0; pass < passes; pass++)
        {
            HostMemory.ForRanges(blocks, 1, WorthSharing / (BlockRows * width) + 1, (first, count) =>
            {
                for (var block = first; block < first + count; block++)
                    Pass(block);
            });
            Gather(sums, height, columns.Floats());
        }

        ArrayPool<float>.Shared.Return(sums);

        void Pass(int block)
        {
            var start = block * BlockRows;
            var count = Math.Min(BlockRows, height - start);
            SpanSinkhorn.Pass(matrix.Floats().Slice(start * width, count * width), power, columns.Floats(), rows.Floats().Slice(start, count),
                sums.AsSpan(block * width, width));
        }
    }

    /// <summary>v² from what the blocks of rows have added up.</summary>
    private static void Gather(ReadOnlySpan<float> sums, int height, Span<float> columns)
    {
        columns.Clear();
        for (var at = 0; at < ((height - 1) / BlockRows + 1) * columns.Length; at += columns.Length)
            SpanScaling.Add(columns, sums.Slice(at, columns.Length), 1);
        foreach (ref var column in columns)
            column = SpanSinkhorn.Share(column, height);
    }
}
