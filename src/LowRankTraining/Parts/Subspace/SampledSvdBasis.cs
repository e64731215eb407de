namespace LowRankTraining.Parts;

/// <summary>Left singular vectors drawn in proportion to their singular values, so that the subspace does not freeze at the leading ones.</summary>
/// <remarks>
/// <para>r of the s vectors without replacement: one after the other, each with probability σᵢ over the sum of those that are left. The drawn ones stand in the
/// order of σ. Singular vectors of zero come only where there are no others.</para>
/// <para>All s vectors are found, as eigenvectors of A Aᵀ: 2 l s² + about 9 s³ operations. In float32 a σ below about 3e-4 of the largest is rounding there,
/// zero included, and has the chance that goes with such a size.</para>
/// <para>Source: Zhang et al., Breaking the Frozen Subspace: Importance Sampling for Low-Rank Optimization in LLM Pretraining (SARA), arXiv 2502.05790,
/// algorithm 2. Drawn by exponential races: Efraimidis and Spirakis, Inf. Process. Lett. 97 (2006).</para>
/// </remarks>
public sealed record SampledSvdBasis : IBasis
{
    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        using var scope = NewDisposeScope();
        var (squares, vectors) = SymmetricEigen.Of(query.Matrix.mm(query.Matrix.t()));
        var values = squares.clamp_min(0).sqrt_();

        var races = query.Step.Uniform("sampled", values.shape, values.dtype, values.device).neg_().log1p_().neg_();
        var first = values.div(races.clamp_min_(Precision.SmallestNormal)).topk((int)query.Rank).indexes;

        var drawn = vectors.index_select(1, first.sort(descending: true).Values);
        return Orthonormal.WithCanonicalSigns(drawn).MoveToOuterDisposeScope();
    }
}
