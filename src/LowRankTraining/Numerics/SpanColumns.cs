namespace LowRankTraining.Numerics;

/// <summary>Some columns of a matrix in the processor's own memory: a row at a time, where libtorch takes a column at a time.</summary>
internal static class SpanColumns
{
    /// <summary>The columns, one beside the other.</summary>
    /// <param name="matrix">Rows of <paramref name="width"/> numbers.</param>
    /// <param name="width">Numbers in a row of the matrix.</param>
    /// <param name="columns">Which ones, in any order.</param>
    /// <param name="picked">Rows of as many numbers as there are columns.</param>
    public static void Pick(ReadOnlySpan<float> matrix, int width, ReadOnlySpan<long> columns, Span<float> picked)
    {
        for (var (at, row) = (0, 0); at < picked.Length; at += columns.Length, row += width)
        {
            var from = matrix.Slice(row, width);
            var to = picked.Slice(at, columns.Length);
            for (var i = 0; i < to.Length; i++)
                to[i] = from[(int)columns[i]];
        }
    }

    /// <summary>Adds factor · <paramref name="parts"/> to the columns.</summary>
    public static void Add(Span<float> matrix, int width, ReadOnlySpan<long> columns, ReadOnlySpan<float> parts, float factor)
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
