namespace LowRankTraining.Parts;

/// <summary>Independent normal numbers of variance 1/rank: a projection that keeps norms in expectation, and needs no gradient and no memory.</summary>
/// <remarks>Not orthonormal: good for estimating scales (<see cref="ScaledGradient"/>), not for stepping back through. The rank may be above s.
/// Source: Johnson and Lindenstrauss, 1984; APOLLO, arXiv 2412.05270, section 4.</remarks>
public sealed record GaussianBasis : IDrawnBasis
{
    /// <inheritdoc/>
    public bool IsOrthonormal => false;

    /// <inheritdoc/>
    public Tensor Draw(Tensor like, long length, long rank, in StepContext step) =>
        step.Normal("projection", [length, rank], like.dtype, like.device).mul_(1 / Math.Sqrt(rank));
}
