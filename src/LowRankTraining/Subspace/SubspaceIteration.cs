using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Subspace;

/// <summary>The power iteration that randomized and warm-started bases share.</summary>
internal static class SubspaceIteration
{
    /// <summary>A orth(Aᵀ P), not yet orthonormal. The inner orthonormalisation keeps small directions from drowning in the large ones.</summary>
    public static Tensor Pass(Tensor matrix, Tensor basis)
    {
        using var scope = NewDisposeScope();
        var other = Orthonormal.Columns(matrix.t().mm(basis));
        return matrix.mm(other).MoveToOuterDisposeScope();
    }
}
