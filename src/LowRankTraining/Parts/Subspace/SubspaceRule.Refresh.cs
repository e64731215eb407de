namespace LowRankTraining.Parts;

/// <content>How a subspace is found: from the gradient of its first update, or from that of the update before.</content>
public sealed partial record SubspaceRule
{
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
