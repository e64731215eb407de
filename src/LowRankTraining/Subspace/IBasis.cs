using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Subspace;

/// <summary>How the subspace is found.</summary>
public interface IBasis
{
    /// <summary>Orthonormal columns that span, exactly or nearly, the leading left singular vectors of a matrix.</summary>
    /// <param name="matrix">A, s × l: the gradient, or its transpose where columns are compressed. Finite and not zero.</param>
    /// <param name="rank">Number of columns, at most s.</param>
    /// <param name="previous">The basis in use so far, s × rank of then; null the first time.</param>
    /// <param name="step">Keys the randomness.</param>
    /// <returns>s × rank, in the dtype of <paramref name="matrix"/>. Signs do not matter: the caller fixes them.</returns>
    Tensor Find(Tensor matrix, long rank, Tensor? previous, in StepContext step);
}
