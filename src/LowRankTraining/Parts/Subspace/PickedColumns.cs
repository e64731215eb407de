namespace LowRankTraining.Parts;

/// <summary>Columns of a matrix by their numbers. libtorch picks and adds them on the CPU one column at a time, across all rows; in the processor's own memory
/// it is done row by row.</summary>
internal static class PickedColumns
{
    private const int WorthSharing = 1 << 18;

    /// <summary>The columns, rows × as many as there are numbers.</summary>
    public static Tensor Of(Tensor matrix, Tensor columns)
    {
        if (!matrix.IsOnHost() || !columns.is_contiguous())
            return matrix.index_select(1, columns);

        var (rows, width, count) = ((int)matrix.size(0), (int)matrix.size(1), (int)columns.size(0));
        var picked = empty(rows, count, ScalarType.Float32, CPU);
        ForRows(rows, count, (row, height) => Pick(
            matrix.Floats().Slice(row * width, height * width), width, columns.Longs(), picked.Floats().Slice(row * count, height * count)));
        return picked;
    }

    /// <summary>Adds scale · <paramref name="parts"/> to the columns.</summary>
    public static void Add(Tensor matrix, Tensor columns, Tensor parts, double scale)
    {
        if (!matrix.IsOnHost() || !parts.IsOnHost() || !columns.is_contiguous())
        {
            matrix.index_add_(1, columns, parts, scale);
            return;
        }

        var (rows, width, count) = ((int)matrix.size(0), (int)matrix.size(1), (int)columns.size(0));
        ForRows(rows, count, (row, height) => Add(
            matrix.Floats().Slice(row * width, height * width), width, columns.Longs(), parts.Floats().Slice(row * count, height * count), (float)scale));
    }

    private static void ForRows(int rows, int count, Action<int, int> work) => HostMemory.ForRanges(rows, multiple: 1, WorthSharing / Math.Max(1, count), work);

    /// <summary>The columns, one beside the other, a row at a time.</summary>
    /// <param name="matrix">Rows of <paramref name="width"/> numbers.</param>
    /// <param name="width">Numbers in a row of the matrix.</param>
    /// <param name="columns">Which ones, in any order.</param>
    /// <param name="picked">Rows of as many numbers as there are columns.</param>
    private static void Pick(ReadOnlySpan<float> matrix, int width, ReadOnlySpan<long> columns, Span<float> picked)
    {
        for (var (at, row) = (0, 0); at < picked.Length; at += columns.Length, row += width)
        {
            var from = matrix.Slice(row, width);
            var to = picked.Slice(at, columns.Length);
            for (var i = 0; i < to.Length; i++)
                to[i] = from[(int)columns[i]];
        }
    }

    /// <summary>Adds factor · <paramref name="parts"/> to the columns, a row at a time.</summary>
    private static void Add(Span<float> matrix, int width, ReadOnlySpan<long> columns, ReadOnlySpan<float> parts, float factor)
    {
        for (var (at, row) = (0, 0); at < parts.Length; at += columns.Length, row += width)
        {
            var to = matrix.Slice(row, width);
            var from = parts.Slice(at, columns.Length);
            for (var i = 0; i < from.Length; i++)
                to[(int)columns[i]] += factor * from[i];
        }
    }
}
