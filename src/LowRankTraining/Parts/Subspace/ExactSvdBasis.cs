namespace LowRankTraining.Parts;

/// <summary>The leading left singular vectors, by a full singular value decomposition.</summary>
/// <remarks>About 6 l s² + 20 s³ operations, and scratch of several matrices of that size: on real gradients <see cref="RandomizedSvdBasis"/> finds the same
/// subspace for a fraction. Source: GaLore, arXiv 2403.03507, section 4.</remarks>
public sealed record ExactSvdBasis : IBasis
{
    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        using var scope = NewDisposeScope();
        var (left, _, _) = linalg.svd(query.Matrix, fullMatrices: false);
        return Orthonormal.WithCanonicalSigns(left.narrow(1, 0, query.Rank)).MoveToOuterDisposeScope();
    }
}
