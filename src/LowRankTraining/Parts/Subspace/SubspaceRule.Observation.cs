namespace LowRankTraining.Parts;

/// <content>What is seen of a gradient besides its projection, where the next subspace depends on it.</content>
public sealed partial record SubspaceRule
{
    /// <summary>A (PᵀA)ᵀ: of unit gradients for a drift, as they are for a subspace that is found ahead.</summary>
    private static readonly StateSlot Sketch = new("sketch");

    /// <summary>‖R‖ / ‖G‖.</summary>
    private static readonly StateSlot Captured = new("captured");

    /// <summary>The update, counted from 1, whose subspace has been found in the one before.</summary>
    private static readonly StateSlot FoundFor = new("found_for");

    /// <summary>Whether the basis moves after this update: not after the one that has found it first.</summary>
    private bool Drifts(StateBag state) => Drift is not null && state.Counter(Clock) > 0;

    /// <summary>Whether the subspace of the next update is found from the gradient of this one.</summary>
    private bool FindsNext(StateBag state, in StepContext step) =>
        Basis.GoesAhead && Refresh.OnlyCounts && Refresh.IsDue(state.Counter(Clock) + 1, step.Index, state);

    private bool AsksForShare(StateBag state) => Refresh.AsksForShare(state.Counter(Clock), state);

    /// <summary>Whether this update looks at more of a gradient than what is inside the subspace.</summary>
    private bool LooksOutside(StateBag state, in StepContext step) => Drifts(state) || AsksForShare(state) || FindsNext(state, step);

    /// <summary>Looks at a gradient, or at one of several that add up: what moves a basis, and what decides on a new one, is the first of them; what finds the
    /// next one is all of them.</summary>
    private void Observe(ObservedGradient gradient, Projection projection, Tensor lowRank, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (AsksForShare(state) && !state.TryGet(Captured, out _))
            state.Set(Captured, lowRank.norm() / gradient.Norm());

        if (Drifts(state) && !state.TryGet(Sketch, out _))
        {
            var inverse = gradient.Norm().clamp_min_(1e-30).reciprocal_();
            state.Set(Sketch, gradient.Sketch(projection, lowRank * inverse).mul_(inverse));
        }
        else if (FindsNext(state, step))
            state.Add(Sketch, gradient.Sketch(projection, lowRank));
    }

    private static void DropObserved(StateBag state)
    {
        state.Remove(Sketch);
        state.Remove(Captured);
    }

    /// <summary>Lets the policy see what there is to see.</summary>
    private void Show(Tensor lowRank, StateBag state) =>
        Refresh.Observe(lowRank, state.TryGet(Captured, out var share) ? share : null, state.Counter(Clock), state);

    private void MoveBasis(Projection projection, StateBag state, in StepContext step)
    {
        if (!Drifts(state) || !state.TryGet(Sketch, out var sketch))
            return;

        var moved = Drift!.Move(sketch, projection.First.Kept, state, step);
        Basis.Keep(BasisSlot.Only, BasisFormat, moved, state, step);
    }

    /// <summary>Finds the subspace of the next update from the sketch of this one's gradient, and lets moments follow. Where the sketch cannot be used, the
    /// next update finds its subspace by itself.</summary>
    private void FindNext(Projection current, Tensor matrix, StateBag state, in StepContext step)
    {
        if (!state.TryGet(Sketch, out var sketch) || GradientCheck.Judge(sketch) != GradientVerdict.Usable)
            return;

        var (rows, columns) = (matrix.size(0), matrix.size(1));
        var old = current.Copy();
        var completed = state.Counter(Clock) + 1;
        Basis.Keep(BasisSlot.Only, BasisFormat, Numerics.Orthonormal.Columns(sketch), state, step);
        step.Counters?.Refresh();
        CarryOver(new(old, Current(sketch, rows, columns, state, step), rows, columns, Inner, state, step), completed);
        state.SetCounter(FoundFor, completed + 1);
    }
}
