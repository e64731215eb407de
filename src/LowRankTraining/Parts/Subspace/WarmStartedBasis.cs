using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

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

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.GoesOnFrom(this, Start);

    /// <inheritdoc/>
    public IBasis? Within => Start;

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        if (query.Previous is not { } previous || previous.shape[1] != query.Rank)
            return Start.Find(query);

        using var scope = NewDisposeScope();
        var range = SubspaceIteration.Pass(query.Matrix, previous);
        return Orthonormal.Columns(range).MoveToOuterDisposeScope();
    }
}
