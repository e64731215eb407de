namespace LowRankTraining.Parts;

/// <summary>A uniformly random subspace, with orthonormal columns.</summary>
/// <remarks>The range of a Gaussian matrix; regenerated at every use, which costs 2 s r² operations, so that nothing is stored.
/// Source: FRUGAL, arXiv 2411.07837; Flora, arXiv 2402.03293.</remarks>
public sealed record RandomOrthonormalBasis : IDrawnBasis
{
    /// <inheritdoc/>
    public Tensor Draw(Tensor like, long length, long rank, in StepContext step)
    {
        using var scope = NewDisposeScope();
        return Orthonormal.Columns(step.Normal("projection", [length, rank], like.dtype, like.device)).MoveToOuterDisposeScope();
    }
}
