namespace LowRankTraining.Parts;

/// <summary>What becomes of the moments when the subspace changes under them.</summary>
/// <remarks>C = P_newᵀ P_old; for a right projection from the other side, for both sides from both. ∘ is the product by entries.</remarks>
public abstract record MomentCarryOver : IPart
{
    /// <value>They stay as they are, read in the new basis. The authors' code of GaLore and Fira. Not for a rank that changes.</value>
    public static MomentCarryOver Keep { get; } = new KeepMoments();

    /// <value>They start from zero, and so does bias correction.</value>
    public static MomentCarryOver Reset { get; } = new ResetMoments();

    /// <value>They follow the change of basis: M ← C M and V ← (C ∘ C) V, so that V stays non-negative.</value>
    public static MomentCarryOver Rotate { get; } = new RotateMoments(First: true, Second: true);

    /// <value>The first moment follows the change of basis, the second stays. Not for a rank that changes.</value>
    public static MomentCarryOver RotateFirst { get; } = new RotateMoments(First: true, Second: false);

    /// <value>LDAdam's rule: M ← C M; V ← (1 − β₂ᵗ) |(C ∘ C)(V̂ − M̂²) + (C M̂)²|: the variance follows as a variance does, and the mean adds its
    /// square.</value>
    /// <remarks>Source: Robert et al., LDAdam, arXiv 2410.16103, section 3.</remarks>
    public static MomentCarryOver ProjectionAware { get; } = new CarryVariance(Fill: false);

    /// <value>The same with (V̂ − M̂²) kept from falling below zero, and a typical variance for directions that are new: V ← (1 − β₂ᵗ) [(C ∘ C)(V̂ − M̂²)₊ +
    /// (C M̂)² + (1 − rowsum(C ∘ C))₊ v̄], v̄ the mean of V̂ over the old directions. A new direction then does not start with a step of 1/√(1 − β₂).</value>
    public static MomentCarryOver VarianceFill { get; } = new CarryVariance(Fill: true);

    /// <value>Whether a moment of another rank can be carried over. Default true.</value>
    public virtual bool AllowsRankChange => true;

    /// <summary>Carries the moments over from one basis to the next.</summary>
    public abstract void Apply(in SubspaceChange change);

    private sealed record KeepMoments : MomentCarryOver
    {
        public override bool AllowsRankChange => false;

        public override void Apply(in SubspaceChange change) { }
    }

    private sealed record ResetMoments : MomentCarryOver
    {
        public override void Apply(in SubspaceChange change) => change.Inner.Reset(change.State);
    }

    private sealed record RotateMoments(bool First, bool Second) : MomentCarryOver
    {
        public override bool AllowsRankChange => Second;

        public override void Apply(in SubspaceChange change)
        {
            using var scope = NewDisposeScope();
            var turn = new Rotation(change);

            foreach (var slot in change.Inner.Moments)
                if ((slot.Order == 1 ? First : Second) && slot.IsIn(change.State))
                    change.Write(slot, slot.Order == 2 ? turn.OfSquares(change.Read(slot)) : turn.Of(change.Read(slot)));
        }
    }

    private sealed record CarryVariance(bool Fill) : MomentCarryOver
    {
        public override void Apply(in SubspaceChange change)
        {
            using var scope = NewDisposeScope();
            var (turn, state) = (new Rotation(change), change.State);

            Tensor? meanBefore = null, meanAfter = null;
            foreach (var slot in change.Inner.Moments.Where(slot => slot.Order == 1).Where(slot => slot.IsIn(state)))
            {
                var moment = change.Read(slot);
                var turned = turn.Of(moment);
                if (slot.AveragesGradient)
                    (meanBefore, meanAfter) = (moment.div(slot.Weight(state)), turned.div(slot.Weight(state)));
                change.Write(slot, turned);
            }

            foreach (var slot in change.Inner.Moments.Where(slot => slot.Order == 2).Where(slot => slot.IsIn(state)))
            {
                var second = change.Read(slot).div(slot.Weight(state));
                var variance = meanBefore is null ? second : second.addcmul(meanBefore, meanBefore, -1);
                var carried = turn.OfSquares(Fill ? variance.clamp_min_(0) : variance);
                if (meanAfter is not null)
                    carried.addcmul_(meanAfter, meanAfter, 1);
                if (Fill)
                    carried.add_(turn.NewShare().mul(turn.MeanOverOld(second)));
                change.Write(slot, carried.abs_().mul_(slot.Weight(state)));
            }
        }
    }

    /// <summary>The change of coordinates X ← C_L X C_Rᵀ.</summary>
    private readonly record struct Rotation
    {
        private readonly Tensor? _left, _right;

        public Rotation(in SubspaceChange change) => (_left, _right) = (change.LeftOverlap(), change.RightOverlap());

        public Tensor Of(Tensor moment) => Turn(moment, _left, _right);

        public Tensor OfSquares(Tensor moment) => Turn(moment, _left?.square(), _right?.square());

        /// <summary>How much of each new direction the old ones do not know, in [0, 1].</summary>
        public Tensor NewShare()
        {
            var known = _left?.square().sum(1L, keepdim: true);
            if (_right is not null)
            {
                var columns = _right.square().sum(1L, keepdim: true).t();
                known = known is null ? columns : known * columns;
            }

            return known!.neg().add_(1).clamp_min_(0);
        }

        public Tensor MeanOverOld(Tensor second)
        {
            var mean = second;
            if (_left is not null)
                mean = mean.mean([0], keepdim: true);
            return _right is null ? mean : mean.mean([1], keepdim: true);
        }

        private static Tensor Turn(Tensor moment, Tensor? left, Tensor? right)
        {
            // The overlap of coordinates is one of whole numbers, which have no precision of their own.
            var turned = left is null ? moment : left.to(moment.dtype).mm(moment);
            return right is null ? turned : turned.mm(right.to(moment.dtype).t());
        }
    }
}
