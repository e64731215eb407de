namespace LowRankTraining.Parts;

/// <summary>One pass of subspace iteration from the basis in use: the cheapest refresh, for the price of one more step.</summary>
/// <remarks>
/// <para>P ← orth(A (Aᵀ P)): 4 s l r operations. The new basis stays aligned with the old one, signs included, so moments may be kept.</para>
/// <para>Source: the power iteration of PowerSGD (Vogels et al., arXiv 1905.13727) and LDAdam (Robert et al., arXiv 2410.16103).</para>
/// </remarks>
public sealed record WarmStartedBasis : IBasis
{
    /// <value>Finds the first basis, and the next one after a change of rank. Default: randomized SVD.</value>
    public IBasis Start { get; init; } = new RandomizedSvdBasis();

    /// <value>Whether the pass goes over the gradient of the update before, so that the new basis is there when its first gradient arises: under
    /// <see cref="GradientFlow.Projected"/> no gradient but the very first is formed, and the basis is found from all micro-batches of a step, as the sum of
    /// Aᵢ (AᵢᵀP). For refreshes that go by the number of updates alone. Default false: it goes over the gradient that comes first in the new basis.</value>
    public bool Ahead { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.GoesOnFrom(this, Start);

    /// <inheritdoc/>
    public IBasis? Within => Start;

    bool IBasis.GoesAhead => Ahead;

    /// <summary>AᵀP and A times that.</summary>
    long? IBasis.NumbersSeen(long length, long width, long rank, long? previousRank) =>
        previousRank == rank ? rank * (width + length) : Start.NumbersSeen(length, width, rank, null);

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        if (query.Previous is not { } previous || previous.shape[1] != query.Rank)
            return Start.Find(query);

        using var scope = NewDisposeScope();
        var range = SubspaceIteration.Pass(query.Operator, previous);
        return Orthonormal.Columns(range).MoveToOuterDisposeScope();
    }
}
