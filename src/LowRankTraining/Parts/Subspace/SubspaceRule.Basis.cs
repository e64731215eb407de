using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

public sealed partial record SubspaceRule
{
    private bool IsDue(StateBag state, in StepContext step)
    {
        var completed = state.Counter(Clock);
        return completed == 0 || Refresh.IsDue(completed, step.Index, state);
    }

    private ProjectionSide SideOf(Tensor matrix) => Side.For(matrix.size(0), matrix.size(1));

    private BasisStore LeftStore(ProjectionSide side) => new(side == ProjectionSide.Both ? "basis_left" : OnlyBasis, Basis, BasisFormat);

    private BasisStore RightStore(ProjectionSide side) => new(side == ProjectionSide.Both ? "basis_right" : OnlyBasis, Basis, BasisFormat);

    private Projection Current(StateBag state, Tensor matrix, in StepContext step)
    {
        var side = SideOf(matrix);
        return new(
            side == ProjectionSide.Right ? null : LeftStore(side).Open(matrix, matrix.size(0), state, step),
            side == ProjectionSide.Left ? null : RightStore(side).Open(matrix, matrix.size(1), state, step));
    }

    /// <summary>Finds the subspace again, projects, and lets moments and error follow.</summary>
    private (Projection Projection, Tensor LowRank) Renew(Tensor matrix, StateBag state, in StepContext step)
    {
        var (rows, columns) = (matrix.shape[0], matrix.shape[1]);
        var side = SideOf(matrix);
        var rank = RankFor(rows, columns);
        var completed = state.Counter(Clock);
        var carries = completed > 0 && !ForgetsOldBasis;
        var old = carries ? OldBasis(state, matrix, step) : default;

        if (side != ProjectionSide.Right)
            LeftStore(side).Renew(new(matrix, rank, old.Left, step) { Momentum = MomentumIn(old, matrix, state, transposed: false) }, state);
        if (side != ProjectionSide.Left)
            RightStore(side).Renew(new(matrix.t(), rank, old.Right, step) { Momentum = MomentumIn(old, matrix, state, transposed: true) }, state);

        step.Counters?.Refresh();
        var (fresh, lowRank) = Project(matrix, Current(state, matrix, step));
        if (carries)
            CarryOver(new(old, fresh, rows, columns, Shielded, state, step), matrix, completed);
        return (fresh, lowRank);
    }

    /// <value>Whether nothing looks at the subspace that is left: a drawn one would be drawn once more for nothing.</value>
    private bool ForgetsOldBasis =>
        Basis is IDrawnBasis && Feedback is null && OnRefresh == MomentCarryOver.Keep
        && (Refresh is PeriodicRefresh or StaggeredRefresh);

    /// <summary>The subspace in use, safe from what is stored next.</summary>
    private Projection OldBasis(StateBag state, Tensor matrix, in StepContext step)
    {
        var old = Current(state, matrix, step);
        return Basis is IDrawnBasis ? old : old.Copy();
    }

    private void CarryOver(in SubspaceChange change, Tensor observed, long completed)
    {
        if (Feedback is not null)
            ErrorFeedback.AddMoment(observed, change.From, change, old: true);

        OnRefresh.Apply(change);

        if (Feedback is not null)
            ErrorFeedback.AddMoment(observed, change.To, change, old: false);

        Refresh.Renewed(change, completed);
    }

    /// <summary>Reads M̂ of a one-sided projection, rank × l.</summary>
    private Func<Tensor>? MomentumIn(Projection old, Tensor matrix, StateBag state, bool transposed)
    {
        var first = Inner.Moments.FirstOrDefault(slot => slot is { Order: 1, AveragesGradient: true });
        if (old is { Left: null, Right: null } or { Left: not null, Right: not null } || first.Name is null || !first.IsIn(state))
            return null;

        return () =>
        {
            var moment = first.Read(state, new TensorKind(matrix, old.ShapeOf(matrix.shape[0], matrix.shape[1]))) / first.Weight(state);
            return transposed ? moment.t() : moment;
        };
    }

    private void MoveBasis(Tensor matrix, Projection projection, StateBag state, in StepContext step)
    {
        if (Drift is null)
            return;

        var (side, isFirst) = (SideOf(matrix), state.Counter(Clock) == 0);
        if (projection.Left is not null)
            LeftStore(side).Keep(Drift.Move(matrix, projection.Left, isFirst, state, step), state, step);
        else
            RightStore(side).Keep(Drift.Move(matrix.t(), projection.Right!, isFirst, state, step), state, step);
    }

    private long RankFor(long rows, long columns)
    {
        var limit = LimitFor(rows, columns);
        if (Density is { } density)
            return Math.Max(1, (long)Math.Round(density * limit));
        return Math.Min(Rank, limit);
    }

    /// <summary>The largest rank: the compressed side, or the short one for a basis that is found from the gradient, which spans no more than that.</summary>
    private long LimitFor(long rows, long columns) =>
        Basis is IDrawnBasis or ISelectedBasis ? Side.Limit(rows, columns) : Math.Min(rows, columns);
}
