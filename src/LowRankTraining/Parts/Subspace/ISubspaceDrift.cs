namespace LowRankTraining.Parts;

/// <summary>Moves a basis a little after every update, in place of or besides finding it again.</summary>
public interface ISubspaceDrift : IPart
{
    /// <summary>The basis that the next update uses. Not asked at the update that has found the first one.</summary>
    /// <param name="seen">Â ÂᵀP, s × rank, with Â = A / ‖A‖ and A the gradient of this update, s × l, or its transpose where columns are compressed. Where
    /// gradients that add up are projected as they arise, that of the first one.</param>
    /// <param name="basis">P, the columns in use, s × rank. Not to be changed.</param>
    /// <param name="state">The parameter's memory.</param>
    /// <param name="step">The step.</param>
    Tensor Move(Tensor seen, Tensor basis, StateBag state, in StepContext step);

    /// <summary>What it keeps for a basis of this shape.</summary>
    IEnumerable<StateSlot> SlotsFor(long length, long rank);
}
