namespace LowRankTraining.Numerics;

/// <summary>The power iteration that randomized and warm-started bases share.</summary>
internal static class SubspaceIteration
{
    /// <summary>A Y with Y spanning Aᵀ P; not yet orthonormal. Y is conditioned first, so that small directions do not drown in the large ones; exactly
    /// orthonormal it need not be.</summary>
    public static Tensor Pass(SeenMatrix matrix, Tensor basis)
    {
        using var scope = NewDisposeScope();
        using var other = matrix.TransposedTimes(basis);
        using var conditioned = Orthonormal.NearlyColumns(other);
        return matrix.Times(conditioned).MoveToOuterDisposeScope();
    }
}
