namespace LowRankTraining.Parts;

/// <summary>Projects the gradient into a small subspace, runs a rule there, and lifts its step back: the engine of every gradient-space method.</summary>
/// <remarks>
/// <para>A parameter of more than two dimensions is treated as out × rest. With s the compressed side and l the other, the basis is s × rank, and the moments
/// have rank · l entries instead of s · l.</para>
/// <para>State: <c>basis</c> (or <c>basis_left</c> and <c>basis_right</c>), what its parts keep, and counters; between micro-batches that were accumulated in
/// the subspace, <c>accumulated</c>.</para>
/// <para>A rank above the compressed side is lowered to it, or to the short side for a basis that is found from the gradient. A zero or non-finite gradient
/// changes nothing, and the refresh clock stands still.</para>
/// </remarks>
public sealed partial record SubspaceRule : UpdateRule
{
    internal static readonly StateSlot Clock = new("updates");

    /// <summary>A (PᵀA)ᵀ: of unit gradients for a drift, as they are for a subspace that is found ahead.</summary>
    private static readonly StateSlot Sketch = new("sketch");

    /// <summary>‖R‖ / ‖G‖.</summary>
    private static readonly StateSlot Captured = new("captured");

    /// <value>Dimensions of the subspace; at least 1. The largest number of them where the basis chooses.</value>
    public required int Rank { get; init; }

    /// <value>Dimensions of the subspace as a share of the compressed side, in (0, 1], in place of <see cref="Rank"/>;
    /// rounded, and at least 1. Default: null, the rank counts.</value>
    public double? Density { get; init; }

    /// <value>Which side is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    /// <value>How the subspace is found. Default: one warm-started pass after a first randomized SVD.</value>
    public IBasis Basis { get; init; } = new WarmStartedBasis();

    /// <value>How the basis is stored. Default: float32.</value>
    public StateFormat BasisFormat { get; init; } = StateFormat.Float32;

    /// <value>When it is found again. Default: every 200 updates (GaLore).</value>
    public IRefreshPolicy Refresh { get; init; } = new PeriodicRefresh();

    /// <value>T, a short way to say <c>Refresh = new PeriodicRefresh { Every = T }</c>.</value>
    public long RefreshEvery { init => Refresh = new PeriodicRefresh { Every = value }; }

    /// <value>What moves the basis a little after every update; null for nothing. Default: nothing.</value>
    public OnlinePcaDrift? Drift { get; init; }

    /// <value>What becomes of the moments at a refresh. Default: they are kept (GaLore).</value>
    public MomentCarryOver OnRefresh { get; init; } = MomentCarryOver.Keep;

    /// <value>The rule inside the subspace. Default: Adam.</value>
    public DirectionRule Inner { get; init; } = new AdamRule();

    /// <value>Stands before the inner rule; null for nothing. Default: nothing.</value>
    public ISpikeGuard? Guard { get; init; }

    /// <value>How the step comes back. Default: projected back, times 0.25 (GaLore).</value>
    public ILift Lift { get; init; } = new ProjectBack();

    /// <value>How the error is stored, in any format for moments, that is what the projection drops and what comes back with the next gradient:
    /// Ĝ = G + E is projected in place of G, and E ← Ĝ − P R. Null for no error feedback. Default: null. Source: LDAdam, arXiv 2410.16103, algorithm 1.</value>
    public StateFormat? Feedback { get; init; }

    /// <value>Entries of a two-sided projection below this share of the largest one are zero: Adam would blow their rounding noise up to full steps. 0 keeps
    /// them. Default 1e-6.</value>
    public double NoiseFloor { get; init; } = 1e-6;

    /// <inheritdoc/>
    public override (double Beta1, double Beta2)? Betas => Inner.Betas;

    /// <inheritdoc/>
    public override Tensor? RelativeRate(Tensor weight, StateBag state) => Inner.RelativeRate(weight, state);

    /// <inheritdoc/>
    public override SubspaceRule WithStates(StateFormat states) => this with { Inner = Inner.WithStates(states) };

    /// <inheritdoc/>
    public override string? NoteFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        var limit = LimitFor(rows, columns);
        if (Density is not null || Rank <= limit)
            return null;
        return $"rank {Rank} lowered to {limit}, the length of the {(limit == Side.Limit(rows, columns) ? "compressed" : "short")} side";
    }

    /// <inheritdoc/>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var matrix = gradient.AsMatrix();
        var due = IsDue(state, step);

        // Whatever changes the subspace or the error is decided by the whole gradient; else its projection tells.
        var early = due || Feedback is not null;
        var isHuge = step.Verdict == GradientVerdict.Huge;
        if (early && !step.AcceptsSquared(matrix, null, out isHuge))
            return;
        if (isHuge)
            matrix = GradientCheck.InRange(matrix);

        var observed = Error?.Add(matrix, state) ?? matrix;
        var (projection, lowRank) = due ? Renew(new DenseOperator(observed), state, step) : Project(observed, Current(matrix, state, step));
        var accumulated = TakeAccumulated(lowRank, state);

        // Norms that the lift needs anyway tell as well whether the gradient can be used.
        var squares = Lift.NeedsOneSide ? SquaredNorms.Along(lowRank, projection.RankAxis) : null;
        var evidence = !projection.SeesAll && !accumulated ? matrix : squares ?? lowRank;
        var usable = accumulated
            ? (step with { Verdict = null }).AcceptsSquared(evidence, lowRank, out isHuge)
            : early || step.AcceptsSquared(evidence, matrix, out isHuge);
        if (!usable)
            return;
        if (isHuge && !early)
        {
            matrix = GradientCheck.InRange(matrix);
            lowRank = accumulated ? GradientCheck.InRange(lowRank) : projection.Project(matrix);
            squares = squares is null ? null : SquaredNorms.Along(lowRank, projection.RankAxis);
        }

        Error?.Keep(observed, projection, lowRank, state, step);
        if (LooksOutside(state, step))
            Observe(new DenseOperator(Feedback is null ? matrix : observed), projection, lowRank, state, step);
        Advance(new(matrix, projection, lowRank), squares, accumulator, scale, state, step);
        lowRank.Free();
        squares.Free();
    }

    /// <summary>Runs the inner rule in the subspace and steps back, from a gradient that can be used.</summary>
    private void Advance(in Observation seen, Tensor? squares, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var (matrix, projection, lowRank) = seen;
        Refresh.Observe(lowRank, state.TryGet(Captured, out var share) ? share : null, state.Counter(Clock), state);

        var (guarded, factor) = Guard?.Apply(lowRank, Inner, state, step) ?? (lowRank, 1);
        var (direction, correction) = Lift.NeedsLowRankGradient ? Inner.Advance(guarded, state, step) : Inner.AdvanceInPlace(guarded, state, step);
        var lifted = new LowRankStep(matrix, projection, lowRank, direction, factor * correction) { SquaredNorms = squares };
        var target = accumulator.Packed();
        Lift.AddTo(target.AsMatrix(), lifted, scale, state);
        accumulator.PutBack(target);
        MoveBasis(projection, state, step);
        if (FindsNext(state, step))
            FindNext(projection, matrix, state, step);
        DropObserved(state);
        state.Advance(Clock);
        direction.Free();
    }

    private ErrorFeedback? Error => Feedback is { } format ? new(format) : null;

    private bool IsDue(StateBag state, in StepContext step)
    {
        var completed = state.Counter(Clock);
        return (completed == 0 || Refresh.IsDue(completed, step.Index, state))
            && state.Counter(RenewedFor) != completed + 1 && state.Counter(FoundFor) != completed + 1;
    }

    /// <summary>The subspace in use.</summary>
    private Projection Current(Tensor matrix, StateBag state, in StepContext step) => Current(matrix, matrix.size(0), matrix.size(1), state, step);

    private Projection Current(Tensor like, long rows, long columns, StateBag state, in StepContext step) => Side.For(rows, columns) switch
    {
        ProjectionSide.Left => new LeftProjection(Basis.Open(BasisSlot.Only, BasisFormat, like, rows, state, step)),
        ProjectionSide.Right => new RightProjection(Basis.Open(BasisSlot.Only, BasisFormat, like, columns, state, step)),
        _ => new TwoSidedProjection(
            Basis.Open(BasisSlot.Left, BasisFormat, like, rows, state, step),
            Basis.Open(BasisSlot.Right, BasisFormat, like, columns, state, step),
            NoiseFloor),
    };

    private static (Projection Projection, Tensor LowRank) Project(Tensor matrix, Projection projection) => (projection, projection.Project(matrix));

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

    private void MoveBasis(Projection projection, StateBag state, in StepContext step)
    {
        if (!Drifts(state) || !state.TryGet(Sketch, out var sketch))
            return;

        var moved = Drift!.Move(sketch, projection.First.Kept, state, step);
        Basis.Keep(BasisSlot.Only, BasisFormat, moved, state, step);
    }

    /// <summary>A gradient and what is seen of it in the subspace.</summary>
    private readonly record struct Observation(Tensor Matrix, Projection Projection, Tensor LowRank);
}
