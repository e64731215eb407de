using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

/// <summary>Moves a basis a little after every update, in place of or besides finding it again.</summary>
public interface ISubspaceDrift : IPart
{
    /// <summary>The basis that the next update uses.</summary>
    /// <param name="matrix">A, s × l: the gradient of this update, or its transpose where columns are compressed.</param>
    /// <param name="basis">The columns in use, s × rank. Not to be changed.</param>
    /// <param name="isFirst">Whether the basis was found in this update for the first time.</param>
    /// <param name="state">The parameter's memory.</param>
    /// <param name="step">The step.</param>
    Tensor Move(Tensor matrix, Tensor basis, bool isFirst, StateBag state, in StepContext step);

    /// <summary>What it keeps for a basis of this shape.</summary>
    IEnumerable<StateSlot> SlotsFor(long length, long rank);
}
