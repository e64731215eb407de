namespace LowRankTraining.Parts;

/// <content>How a subspace is found: when it is due, ahead of that, and by moving the one before; and what is seen of gradients for it.</content>
public sealed partial record SubspaceRule
{
    /// <summary>A (PᵀA)ᵀ: of unit gradients for a drift, as they are for a subspace that is found ahead.</summary>
    private static readonly StateSlot Sketch = new("sketch");

    /// <summary>‖R‖ / ‖G‖.</summary>
    private static readonly StateSlot Captured = new("captured");

    /// <summary>The update, counted from 1, whose subspace has been found in the one before.</summary>
    private static readonly StateSlot FoundFor = new("found_for");

    /// <summary>Finds the subspace again, projects, and lets moments and error follow.</summary>
    private (Projection Projection, Tensor LowRank) Renew(LinearOperator seen, StateBag state, in StepContext step)
    {
        var matrix = seen.Like;
        var (rows, columns) = (matrix.shape[0], matrix.shape[1]);
        var side = Side.For(rows, columns);
        var rank = RankFor(rows, columns);
        var completed = state.Counter(Clock);
        var old = completed > 0 && !IgnoresOldBasis ? OldBasis(matrix, state, step) : null;
        var measurement = RefreshMeasurement.Start(matrix);

        if (side != ProjectionSide.Right)
            Basis.Renew(side == ProjectionSide.Both ? BasisSlot.Left : BasisSlot.Only, BasisFormat,
                new(matrix, rank, old?.Left, step) { Momentum = MomentumIn(old, matrix, state), Sum = seen.IsHeld ? null : seen }, state);
        if (side != ProjectionSide.Left)
            Basis.Renew(side == ProjectionSide.Both ? BasisSlot.Right : BasisSlot.Only, BasisFormat,
                new(matrix.t(), rank, old?.Right, step) { Momentum = MomentumIn(old, matrix, state), Sum = seen.IsHeld ? null : seen.Transposed }, state);

        step.Counters?.Refresh();
        var fresh = Current(matrix, state, step);
        var lowRank = seen.Through(fresh.Project);
        if (old is not null)
            CarryOver(new(old, fresh, rows, columns, Inner, state, step), completed, matrix);
        measurement.Stop(seen.IsHeld ? matrix : null, old, fresh, lowRank, Basis.IsOrthonormal);
        return (fresh, lowRank);
    }

    /// <summary>Numbers in the products of a gradient that the next update looks at; null where it looks at more than products.</summary>
    private long? NumbersSeen(long rows, long columns, StateBag state, in StepContext step)
    {
        var side = Side.For(rows, columns);
        if (side == ProjectionSide.Both)
            return null;

        var (length, width) = side == ProjectionSide.Left ? (rows, columns) : (columns, rows);
        var rank = RankFor(rows, columns);
        long? previous = state.Counter(Clock) > 0 ? state.Counter(BasisSlot.Only.Rank) : null;
        return rank * width + (IsDue(state, step) ? Basis.NumbersSeen(length, width, rank, previous) : 0) + (FindsNext(state, step) ? rank * length : 0);
    }

    /// <value>Whether nothing looks at the subspace that is left: a drawn one would be drawn once more for nothing.</value>
    private bool IgnoresOldBasis => !Basis.IsStored && Feedback is null && OnRefresh == MomentCarryOver.Keep && Refresh.OnlyCounts;

    /// <summary>The subspace in use, safe from what is stored next.</summary>
    private Projection OldBasis(Tensor matrix, StateBag state, in StepContext step)
    {
        var old = Current(matrix, state, step);
        return Basis.IsStored ? old.Copy() : old;
    }

    private void CarryOver(in SubspaceChange change, long completed, Tensor? observed = null)
    {
        if (Feedback is not null && observed is not null)
            ErrorFeedback.AddMoment(observed, change.From, change, old: true);

        OnRefresh.Apply(change);

        if (Feedback is not null && observed is not null)
            ErrorFeedback.AddMoment(observed, change.To, change, old: false);

        Refresh.Renewed(change, completed);
    }

    /// <summary>Reads M̂ of a one-sided projection, rank × l.</summary>
    private Func<Tensor>? MomentumIn(Projection? old, Tensor matrix, StateBag state)
    {
        var first = Inner.Moments.FirstOrDefault(slot => slot is { Order: 1, AveragesGradient: true });
        if (old is not { IsOneSided: true } || first.Name is null || !first.IsIn(state))
            return null;

        return () =>
        {
            var moment = first.Read(state, new TensorKind(matrix, old.ShapeOf(matrix.shape[0], matrix.shape[1]))).div(first.Weight(state));
            return old.RankAxis == 0 ? moment : moment.t();
        };
    }

    private long RankFor(long rows, long columns)
    {
        var limit = LimitFor(rows, columns);
        if (Density is { } density)
            return Math.Max(1, (long)Math.Round(density * limit));
        return Math.Min(Rank, limit);
    }

    private long LimitFor(long rows, long columns) => Side.For(rows, columns) switch
    {
        ProjectionSide.Left => Basis.LimitFor(rows, columns),
        ProjectionSide.Right => Basis.LimitFor(columns, rows),
        _ => Math.Min(Basis.LimitFor(rows, columns), Basis.LimitFor(columns, rows)),
    };

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
    private void Observe(MatrixProducts gradient, Projection projection, Tensor lowRank, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (AsksForShare(state) && !state.TryGet(Captured, out _))
            state.Set(Captured, lowRank.norm() / gradient.Norm());

        if (Drifts(state) && !state.TryGet(Sketch, out _))
        {
            var inverse = gradient.Norm().clamp_min_(1e-30).reciprocal_();
            state.Set(Sketch, SketchOf(gradient, projection, lowRank * inverse).mul_(inverse));
        }
        else if (FindsNext(state, step))
            state.Add(Sketch, SketchOf(gradient, projection, lowRank));
    }

    /// <summary>A (PᵀA)ᵀ, s × rank, with A the gradient, or its transpose where columns are compressed: one pass of subspace iteration, not orthonormal
    /// yet.</summary>
    /// <param name="gradient">The gradient.</param>
    /// <param name="projection">The subspace, of one side.</param>
    /// <param name="lowRank">What the gradient is in it, or a multiple of that.</param>
    private static Tensor SketchOf(MatrixProducts gradient, Projection projection, Tensor lowRank) =>
        projection.RankAxis == 0 ? gradient.Times(lowRank.t()) : gradient.TransposedTimes(lowRank);

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
