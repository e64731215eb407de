namespace LowRankTraining.Parts;

public sealed partial record SubspaceRule
{
    private static readonly StateSlot Accumulated = new("accumulated");

    /// <summary>The update, counted from 1, whose subspace has been found before the step.</summary>
    private static readonly StateSlot RenewedFor = new("renewed_for");

    /// <inheritdoc/>
    public override bool Projects => true;

    /// <inheritdoc/>
    public override bool NeedsOnlyProjection(StateBag state, in StepContext step) => UpdatesByProjection(state, step) && !LooksOutside(state, step);

    /// <inheritdoc/>
    /// <remarks>Σ Pᵀ Gᵢ = Pᵀ Σ Gᵢ while P stays: exact but for rounding. In a window that ends with a refresh the
    /// whole gradient is needed, and nothing is taken.</remarks>
    public override bool TryAccumulate(Tensor gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (!NeedsOnlyProjection(state, step) || ProjectionOf(gradient, state, step) is not { } lowRank)
            return false;

        state.Add(Accumulated, lowRank);
        return true;
    }

    /// <inheritdoc/>
    public override bool TryAccumulateProduct(Tensor delta, Tensor input, StateBag state, in StepContext step)
    {
        if (!UpdatesByProjection(state, step))
            return false;

        using var scope = NewDisposeScope();
        var (left, right) = (delta.Widened(), input.Widened());
        var projection = Current(left, left.size(1), right.size(1), state, step);
        var lowRank = projection.ProjectProduct(left, right);
        if (LooksOutside(state, step))
            Observe(new FactoredProducts(left, right), projection, lowRank, state, step);
        state.Add(Accumulated, lowRank);
        return true;
    }

    /// <inheritdoc/>
    public override long NumbersAccumulated(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        return LowRankShape(rows, columns).Elements();
    }

    /// <inheritdoc/>
    public override bool TryTakeWhole(Tensor gradient, StateBag state, in StepContext step)
    {
        if (ObstacleToProjection is not null || GradientCheck.Judge(gradient) != GradientVerdict.Usable)
            return false;

        Take(new DenseOperator(gradient.AsMatrix()), state, step);
        return true;
    }

    /// <inheritdoc/>
    /// <remarks>Where they are fewer than those of the gradient.</remarks>
    internal override bool NeedsOnlyProducts(IReadOnlyList<long> shape, StateBag state, in StepContext step)
    {
        var (rows, columns) = shape.Sides();
        return ObstacleToProjection is null && !Drifts(state) && !AsksForShare(state) && (IsDue(state, step) || FindsNext(state, step))
            && NumbersSeen(rows, columns, state, step) < rows * columns;
    }

    internal override void Take(LinearOperator gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var due = IsDue(state, step);
        var (projection, lowRank) = due ? Renew(gradient, state, step) : Through(gradient, Current(gradient.Like, state, step));
        if (due)
            state.SetCounter(RenewedFor, state.Counter(Clock) + 1);
        if (LooksOutside(state, step))
            Observe(gradient, projection, lowRank, state, step);
        state.Add(Accumulated, lowRank);
    }

    /// <inheritdoc/>
    public override Tensor? ProjectionOf(Tensor gradient, StateBag state, in StepContext step)
    {
        if (!UpdatesByProjection(state, step))
            return null;

        using var scope = NewDisposeScope();
        var matrix = gradient.AsMatrix();
        return Current(matrix, state, step).Project(matrix).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor? AccumulatedIn(StateBag state) => state.TryGet(Accumulated, out var sum) ? sum : null;

    /// <inheritdoc/>
    /// <remarks>A subspace that was found for a step that has not been taken is due again.</remarks>
    public override void DropAccumulated(StateBag state)
    {
        state.Remove(Accumulated);
        DropObserved(state);
        if (state.Counter(RenewedFor) > state.Counter(Clock))
            state.SetCounter(RenewedFor, 0);
    }

    /// <inheritdoc/>
    public override string? ObstacleToProjection => ObstaclesToProjection().FirstOrDefault();

    /// <summary>Whether the next update itself is made of nothing but the projection, whatever is looked at besides.</summary>
    private bool UpdatesByProjection(StateBag state, in StepContext step) => !IsDue(state, step) && !ObstaclesToProjection().Any();

    /// <inheritdoc/>
    public override void AddAccumulated(Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!state.TryGet(Accumulated, out var sum))
            return;

        using var scope = NewDisposeScope();
        var (rows, columns) = accumulator.shape.Sides();
        var lowRank = sum.alias();
        state.Remove(Accumulated);

        var projection = Current(lowRank, rows, columns, state, step);
        var squares = Lift.NeedsOneSide ? SquaredNorms.Along(lowRank, projection.RankAxis) : null;
        if (!step.AcceptsSquared(squares ?? lowRank, lowRank, out var isHuge))
            return;
        if (isHuge)
            (lowRank, squares) = (GradientCheck.InRange(lowRank), null);

        // Nothing looks at it where a gradient may be accumulated, and it has no memory.
        var nothing = Shapes.Placeholder(rows, columns, lowRank.dtype, lowRank.device);
        Advance(new(nothing, projection, lowRank), squares, accumulator, scale, state, step);
    }

    private static (Projection Projection, Tensor LowRank) Through(LinearOperator gradient, Projection projection) =>
        (projection, gradient.Through(projection.Project));

    private static bool TakeAccumulated(Tensor lowRank, StateBag state)
    {
        if (!state.TryGet(Accumulated, out var sum))
            return false;

        lowRank.add_(sum);
        state.Remove(Accumulated);
        return true;
    }
}
