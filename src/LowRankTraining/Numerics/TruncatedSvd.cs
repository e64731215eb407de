namespace LowRankTraining.Numerics;

/// <summary>The leading singular triplets of a matrix.</summary>
/// <remarks>Small matrices, and ranks near the short side, by exact SVD; else from a random sketch with power iterations, all of it products, the same for the
/// same key.</remarks>
internal static class TruncatedSvd
{
    private const long Small = 256, Oversampling = 8;

    /// <summary>Power iterations after which even close singular values are told apart, and those that a flat
    /// spectrum, in which nothing is, is worth.</summary>
    public const int Accurate = 8, Quick = 2;

    /// <summary>U (m × r), σ (r), Vᵀ (r × n), in float32, or float64 for a float64 matrix.</summary>
    /// <param name="matrix">m × n.</param>
    /// <param name="rank">r.</param>
    /// <param name="key">Draws the sketch.</param>
    /// <param name="powerIterations">Passes over the matrix and its transpose. With eight an exact SVD is as quick from a quarter of the short side on.</param>
    public static (Tensor Left, Tensor Values, Tensor Right) Of(Tensor matrix, long rank, ulong key, int powerIterations = Accurate)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var precise = matrix.Widened();
        var limit = Math.Min(matrix.shape[0], matrix.shape[1]);
        var isExact = limit <= Small || rank + Oversampling >= limit || powerIterations * rank >= 2 * limit;
        var (left, values, right) = isExact ? linalg.svd(precise, fullMatrices: false) : FromSketch(precise, rank + Oversampling, key, powerIterations);

        return (left.narrow(1, 0, rank).contiguous().MoveToOuterDisposeScope(), values.narrow(0, 0, rank).contiguous().MoveToOuterDisposeScope(),
            right.narrow(0, 0, rank).contiguous().MoveToOuterDisposeScope());
    }

    /// <summary>U √Σ (m × r) and √Σ Vᵀ (r × n): the best approximation of the rank, its singular values shared by both factors.</summary>
    /// <remarks>Where a singular value is zero, all of them in a matrix of zeros, the right factor has a drawn row beside the left one's zeros: two zeros would
    /// have no gradient, and never learn.</remarks>
    public static (Tensor Left, Tensor Right) Balanced(Tensor matrix, long rank, ulong key)
    {
        using var scope = NewDisposeScope();
        var (left, values, right) = Of(matrix, rank, key);
        var drawn = UniformRows.Draw(rank, matrix.shape[1], right.dtype, right.device, key);
        var root = values.sqrt();
        var rows = where(values.eq(0).unsqueeze(1), drawn, right.mul_(root.unsqueeze(1)));
        return (left.mul_(root).MoveToOuterDisposeScope(), rows.MoveToOuterDisposeScope());
    }

    private static (Tensor, Tensor, Tensor) FromSketch(Tensor matrix, long width, ulong key, int powerIterations)
    {
        using var generator = new Generator(key);
        var range = SubspaceIteration.Range(new DenseOperator(matrix), width, generator, powerIterations);
        var (left, values, right) = linalg.svd(range.t().mm(matrix), fullMatrices: false);
        return (range.mm(left), values, right);
    }
}
