using LowRankTraining.Numerics;
using LowRankTraining.Rules;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Subspace;

/// <summary>Projects the gradient into a small subspace, runs a rule there, and lifts its step back: the engine of every gradient-space method.</summary>
/// <remarks>
/// <para>A parameter of more than two dimensions is treated as out × rest. With s the compressed side and l the other, the basis is s × rank, and the moments have rank · l entries instead of s · l.</para>
/// <para>State: <c>basis</c> (or <c>basis_left</c> and <c>basis_right</c>), what inner rule and lift keep, and the counter <c>updates</c>.</para>
/// <para>A rank above the compressed side is lowered to it. A zero or non-finite gradient changes nothing, and the refresh clock stands still.</para>
/// </remarks>
public sealed record SubspaceRule : IUpdateRule, IStateLayout
{
    internal const string Clock = "updates";
    private const string One = "basis", OfRows = "basis_left", OfColumns = "basis_right";

    /// <value>Dimensions of the subspace; at least 1.</value>
    public required int Rank { get; init; }

    /// <value>Which side is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    /// <value>How the subspace is found. Default: randomized SVD.</value>
    public IBasis Basis { get; init; } = new RandomizedSvdBasis();

    /// <value>When it is found anew. Default: every 200 updates (GaLore).</value>
    public IRefreshPolicy Refresh { get; init; } = new PeriodicRefresh();

    /// <value>T, a short way to say <c>Refresh = new PeriodicRefresh { Every = T }</c>.</value>
    public long RefreshEvery { init => Refresh = new PeriodicRefresh { Every = value }; }

    /// <value>What becomes of the moments at a refresh. Default: they are kept (GaLore).</value>
    public MomentCarryOver OnRefresh { get; init; } = MomentCarryOver.Keep;

    /// <value>The rule inside the subspace. Default: Adam.</value>
    public IDirectionRule Inner { get; init; } = new AdamRule();

    /// <value>How the step comes back. Default: projected back, times 0.25 (GaLore).</value>
    public ILift Lift { get; init; } = new ProjectBack();

    /// <value>Entries of a two-sided projection below this share of the largest one are zero: Adam would blow their rounding noise up to full steps. 0 keeps them. Default 1e-6.</value>
    public double NoiseFloor { get; init; } = 1e-6;

    /// <inheritdoc/>
    public void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var matrix = AsMatrix(gradient);
        var completed = state.Counter(Clock);
        var due = completed == 0 || Refresh.IsDue(completed, step.Index);

        if (due && !step.Accepts(matrix))
            return;

        var projection = due ? Renew(matrix, state, step) : Current(state, matrix);
        var lowRank = projection.Project(matrix);

        if (!due && !step.Accepts(lowRank, matrix))
            return;

        if (projection is { Left: not null, Right: not null } && NoiseFloor > 0)
            SuppressNoise(lowRank);

        var (direction, correction) = Inner.Advance(lowRank, state, step);
        AddLifted(accumulator, new LowRankStep(matrix, projection, lowRank, direction, correction), scale, state);
        state.Advance(Clock);
    }

    /// <inheritdoc/>
    public string LayoutFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = (shape[0], shape.Skip(1).Aggregate(1L, (product, size) => product * size));
        var limit = Side.Limit(rows, columns);
        return $"{Side.For(rows, columns)} subspace of rank {Math.Min(Rank, limit)} of {limit}";
    }

    /// <inheritdoc/>
    public long BytesFor(IReadOnlyList<long> shape) => 0;

    private void AddLifted(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state)
    {
        if (accumulator.is_contiguous())
        {
            Lift.AddTo(AsMatrix(accumulator), lowRank, scale, state);
            return;
        }

        var packed = accumulator.contiguous();
        Lift.AddTo(AsMatrix(packed), lowRank, scale, state);
        accumulator.copy_(packed);
    }

    private static Tensor AsMatrix(Tensor tensor) => tensor.dim() == 2 ? tensor : tensor.reshape(tensor.shape[0], -1);

    private Projection Renew(Tensor matrix, StateBag state, in StepContext step)
    {
        var side = Side.For(matrix.shape[0], matrix.shape[1]);
        var old = state.Counter(Clock) == 0 ? default : Current(state, matrix);
        var rank = Math.Min(Rank, Side.Limit(matrix.shape[0], matrix.shape[1]));

        var fresh = new Projection(
            side is ProjectionSide.Left or ProjectionSide.Both ? Find(matrix, rank, old.Left, step) : null,
            side is ProjectionSide.Right or ProjectionSide.Both ? Find(matrix.t(), rank, old.Right, step) : null);

        if (state.Counter(Clock) > 0)
            OnRefresh.Apply(Inner, state, old, fresh);

        if (side == ProjectionSide.Both)
        {
            state.Set(OfRows, fresh.Left!);
            state.Set(OfColumns, fresh.Right!);
        }
        else
            state.Set(One, (fresh.Left ?? fresh.Right)!);

        step.Counters?.Refresh();
        return fresh;
    }

    private Tensor Find(Tensor matrix, long rank, Tensor? previous, in StepContext step) =>
        Orthonormal.WithCanonicalSigns(Basis.Find(matrix, rank, previous, step));

    private Projection Current(StateBag state, Tensor matrix) => Side.For(matrix.shape[0], matrix.shape[1]) switch
    {
        ProjectionSide.Left => new(state[One], null),
        ProjectionSide.Right => new(null, state[One]),
        _ => new(state[OfRows], state[OfColumns]),
    };

    private void SuppressNoise(Tensor lowRank)
    {
        var magnitude = lowRank.abs();
        lowRank.masked_fill_(magnitude < magnitude.max() * NoiseFloor, 0);
    }
}
