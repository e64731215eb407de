namespace LowRankTraining.Strategies;

/// <summary>A polar step inside a subspace, or outside of it where a draw has said so: see <see cref="Gum"/>.</summary>
/// <remarks>State: <c>basis</c>, s × r, and <c>momentum_buffer</c>, r × l inside and m × n outside; counters. What has its turn when follows from seed, name
/// and number of the period alone. A zero or non-finite gradient changes nothing, and the clock stands still.</remarks>
internal sealed record GumRule : UpdateRule
{
    /// <summary>‖G − P PᵀG‖ / ‖G‖ that the rounding of float32 may leave of a gradient inside.</summary>
    private const double Noise = 1e-5;

    private static readonly StateSlot Clock = new("updates");

    /// <value>r.</value>
    public required int Rank { get; init; }

    /// <value>K.</value>
    public required long Every { get; init; }

    /// <value>q.</value>
    public required double OutsideShare { get; init; }

    public required IBasis Basis { get; init; }

    /// <value>What is done with the momentum, inside and outside.</value>
    public required PolarRule Polar { get; init; }

    public override bool NeedsMatrix => true;

    public override GumRule WithStates(StateFormat states) => this with { Polar = Polar.WithStates(states) };

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (this.MatrixOf(gradient, step) is not { } matrix)
            return;

        var completed = state.Counter(Clock);
        if (completed % Every == 0)
            Begin(matrix, state, step);

        var projection = Current(matrix, state, step);
        var size = scale * Polar.Scaling.Factor(matrix.size(0), matrix.size(1));
        var target = accumulator.Packed();
        if (IsOutside(completed / Every, matrix.shape, step))
            target.add_(Direction(Outside(matrix, projection), state, step).reshape(gradient.shape), size);
        else
            projection.AddBack(target.AsMatrix(), Direction(projection.Project(matrix), state, step), size);
        accumulator.PutBack(target);
        state.Advance(Clock);
    }

    /// <summary>A new subspace, and a momentum that starts from zero.</summary>
    private void Begin(Tensor matrix, StateBag state, in StepContext step)
    {
        Polar.Reset(state);
        var oriented = IsWide(matrix.shape) ? matrix : matrix.t();
        Basis.Renew(BasisSlot.Only, StateFormat.Float32, new(oriented, Rank.Within(matrix.shape), Previous: null, step), state);
        step.Counters?.Refresh();
    }

    private Projection Current(Tensor matrix, StateBag state, in StepContext step)
    {
        var columns = Basis.Open(BasisSlot.Only, StateFormat.Float32, matrix, matrix.shape.ShortSide(), state, step);
        return IsWide(matrix.shape) ? new LeftProjection(columns) : new RightProjection(columns);
    }

    /// <summary>Whether the draw says so; never where the subspace is all there is.</summary>
    private bool IsOutside(long period, IReadOnlyList<long> shape, in StepContext step)
    {
        const int Digits = 53;
        if (Rank.Within(shape) == shape.ShortSide())
            return false;

        var draw = RandomKey.For(step.Seed, step.Parameter, "turn outside the subspace", period, step.Part) >> (63 - Digits);
        return draw < OutsideShare * (1L << Digits);
    }

    /// <summary>G − P PᵀG; taken away once more where the exact polar factor would make a full step of what rounding leaves inside. Zero where all that is
    /// left is rounding: a polar factor has no size.</summary>
    private Tensor Outside(Tensor matrix, Projection projection)
    {
        var outside = matrix.clone();
        for (var times = Polar.NewtonSchulzSteps is null ? 2 : 1; times > 0; times--)
            projection.AddBack(outside, projection.Project(outside), -1);
        return outside.mul_(outside.norm() > matrix.norm().mul(Noise));
    }

    private Tensor Direction(Tensor seen, StateBag state, in StepContext step) => Polar.Advance(seen, state, step).Direction;

    /// <summary>A square matrix counts as tall, as in GaLore.</summary>
    private static bool IsWide(IReadOnlyList<long> shape) => ProjectionSide.Short.For(shape.Sides().Rows, shape.Sides().Columns) == ProjectionSide.Left;

    public override string LayoutFor(IReadOnlyList<long> shape) =>
        $"{nameof(GumRule)} of rank {Rank.Within(shape)}, {Basis.GetType().Name}, {Polar.LayoutFor(shape)}, a draw every {Every}";

    /// <inheritdoc/>
    /// <remarks>At its turn outside; r l numbers of momentum at others.</remarks>
    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) =>
    [
        .. Basis.SlotsFor(BasisSlot.Only, shape.ShortSide(), Rank.Within(shape), StateFormat.Float32),
        .. Polar.SlotsFor([shape.Sides().Rows, shape.Sides().Columns]),
        Clock,
    ];

    public override string? NoteFor(IReadOnlyList<long> shape) => MatrixRules.NoteOnRank(Rank, shape);
}
