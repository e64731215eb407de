using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Subspace;

/// <summary>One pass of subspace iteration from the basis in use: the cheapest refresh, for the price of one more step.</summary>
/// <remarks>
/// <para>P ← orth(A (Aᵀ P)): 4 s l r operations. The new basis stays aligned with the old one, so moments may be kept.</para>
/// <para>Source: the power iteration of PowerSGD (Vogels et al., arXiv 1905.13727) and LDAdam (Robert et al., arXiv 2410.16103).</para>
/// </remarks>
public sealed record WarmStartedBasis : IBasis
{
    /// <value>Finds the first basis, and the next one after a change of rank. Default: randomized SVD.</value>
    public IBasis Start { get; init; } = new RandomizedSvdBasis();

    /// <inheritdoc/>
    public Tensor Find(Tensor matrix, long rank, Tensor? previous, in StepContext step)
    {
        if (previous is null || previous.shape[1] != rank)
            return Start.Find(matrix, rank, previous, step);

        using var range = SubspaceIteration.Pass(matrix, previous);
        return Orthonormal.Columns(range);
    }
}
