namespace LowRankTraining.Numerics;

/// <summary>Randomized range finding by power iteration.</summary>
/// <remarks>Source: Halko, Martinsson and Tropp, SIAM Review 53 (2011), algorithms 4.4 and 5.1.</remarks>
internal static class SubspaceIteration
{
    /// <summary>Orthonormal columns that nearly span the leading left singular vectors: A Ω with Gaussian Ω, and so many passes.</summary>
    public static Tensor Range(LinearOperator matrix, long width, Generator generator, int passes)
    {
        var range = Orthonormalized(Sketch(matrix, width, generator));
        for (var pass = 0; pass < passes; pass++)
        {
            using var before = range;
            range = Orthonormalized(Pass(matrix, before));
        }

        return range;
    }

    /// <summary>A Ω, after which Ω is gone.</summary>
    private static Tensor Sketch(LinearOperator matrix, long width, Generator generator)
    {
        var like = matrix.Like;
        using var omega = generator.Normal([like.shape[1], width], like.dtype, like.device);
        return matrix.Times(omega);
    }

    private static Tensor Orthonormalized(Tensor columns)
    {
        using (columns)
            return Orthonormal.Columns(columns);
    }

    /// <summary>A Y with Y spanning Aᵀ P; not yet orthonormal. Y is conditioned first, so that small directions do not drown in the large ones; exactly
    /// orthonormal it need not be.</summary>
    public static Tensor Pass(LinearOperator matrix, Tensor basis)
    {
        using var scope = NewDisposeScope();
        using var other = matrix.TransposedTimes(basis);
        using var conditioned = Orthonormal.NearlyColumns(other);
        return matrix.Times(conditioned).MoveToOuterDisposeScope();
    }
}
