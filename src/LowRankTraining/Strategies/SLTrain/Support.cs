namespace LowRankTraining.Strategies;

/// <summary>The entries of a matrix where its sparse part has values, drawn uniformly without replacement.</summary>
/// <remarks>By <see cref="RandomEntries"/>: nothing of the size of the matrix is made, the same key gives the same support on every device, and a larger
/// density adds to the support of a smaller one.</remarks>
/// <param name="Rows">m.</param>
/// <param name="Columns">n.</param>
/// <param name="Count">Entries of the support, at most m n.</param>
/// <param name="Key">Seed of the draw.</param>
internal readonly record struct Support(long Rows, long Columns, long Count, ulong Key)
{
    /// <summary>⌊δ m n⌋.</summary>
    public static long CountFor(double density, long rows, long columns) => (long)(density * (rows * columns));

    /// <value>The shortest type that can number every entry.</value>
    public ScalarType IndexType => Rows * Columns - 1 <= int.MaxValue ? ScalarType.Int32 : ScalarType.Int64;

    /// <value>Bytes of all numbers.</value>
    public long IndexBytes => Count * (IndexType == ScalarType.Int32 ? sizeof(int) : sizeof(long));

    /// <summary>The numbers of the entries, row by row, ascending.</summary>
    public Tensor Indices(Device device)
    {
        using var scope = NewDisposeScope();
        return RandomEntries.Draw(Count, Rows * Columns, Key, device).to(IndexType).MoveToOuterDisposeScope();
    }
}
