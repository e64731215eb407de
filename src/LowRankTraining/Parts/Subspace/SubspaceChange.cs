namespace LowRankTraining.Parts;

/// <summary>A subspace that takes the place of another.</summary>
/// <param name="From">The old one.</param>
/// <param name="To">The new one.</param>
/// <param name="Rows">Rows of the gradient.</param>
/// <param name="Columns">Columns of the gradient.</param>
/// <param name="Inner">The rule whose moments live there.</param>
/// <param name="State">The parameter's memory.</param>
/// <param name="Step">The step.</param>
public readonly record struct SubspaceChange(Projection From, Projection To, long Rows, long Columns, DirectionRule Inner, StateBag State, StepContext Step)
{
    /// <summary>A moment in the old subspace.</summary>
    public Tensor Read(MomentSlot slot) => slot.Read(State, new TensorKind(From.First.Kept, From.ShapeOf(Rows, Columns)));

    /// <summary>Stores a moment in the new one.</summary>
    public void Write(MomentSlot slot, Tensor moment) => slot.Write(State, moment, Step);

    /// <summary>C = P_newᵀ P_old of the rows; null where rows are not compressed.</summary>
    public Tensor? LeftOverlap() => From.LeftOverlapIn(To);

    /// <summary>C = Q_newᵀ Q_old of the columns; null where columns are not compressed.</summary>
    public Tensor? RightOverlap() => From.RightOverlapIn(To);
}
