namespace LowRankTraining.Strategies;

/// <summary>Dion: orthogonal steps of low rank from the momentum, which keeps what they leave out.</summary>
/// <remarks>
/// <para>For G of m × n: M ← M + G; P = orth(M Q); R = MᵀP; M ← M − (1 − μ) P Rᵀ; Q ← R with columns of length 1; the update is c P Qᵀ with the new Q, and c
/// <see cref="Scaling"/>'s. With <see cref="Orthonormalizes"/> Q ← orth(R), so that the update is a polar factor of rank r (Orth-Dion).</para>
/// <para>State: <c>momentum_buffer</c>, m × n and in <see cref="States"/>, and <c>right_factor</c>, n × r, drawn at the first update. A tensor of more than two
/// dimensions is treated as out × rest; a rank above the short side is lowered to it. For matrices only.</para>
/// <para>Directions that a momentum of lower rank does not have take no step, and their columns of Q wait. A zero or non-finite gradient changes
/// nothing, and one whose squares are zero in float32, below 1e-22, makes no step.</para>
/// <para>Source: Ahn et al., Dion: Distributed Orthonormalized Updates, arXiv 2504.05295, algorithm 1; Nakamori et al., Orth-Dion, arXiv 2605.16341.</para>
/// </remarks>
internal sealed record DionRule : UpdateRule
{
    /// <summary>The length of a column of R, as a share of the longest, that the rounding of float32 may leave.</summary>
    private const double Noise = 1e-6;

    private static readonly StateSlot Right = new("right_factor");

    /// <value>r, rank of the update; at least 1.</value>
    public required int Rank { get; init; }

    /// <value>μ, share of the momentum that stays where a step has been taken, in [0, 1). Default 0.95 (Dion).</value>
    public double Momentum { get; init; } = 0.95;

    /// <value>Whether Q is made orthonormal, in place of columns of length 1 (Orth-Dion). Default false (Dion).</value>
    public bool Orthonormalizes { get; init; }

    /// <value>Whether wide matrices are worked on as their transposes, as in the authors' reference implementation. Default false, as published.</value>
    public bool TransposesWide { get; init; }

    /// <value>What the update is multiplied by. Default: √(m/n) (Dion).</value>
    public PolarScaling Scaling { get; init; } = PolarScaling.Spectral;

    /// <value>Draws the first Q. Default: normal numbers (Dion).</value>
    public IDrawnBasis Start { get; init; } = new GaussianBasis();

    /// <value>How the momentum is stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    public override bool NeedsMatrix => true;

    public override DionRule WithStates(StateFormat states) => this with { States = states };

    private MomentSlot Buffer => new("momentum_buffer", 1) { Format = States };

    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (this.MatrixOf(gradient, step) is not { } matrix)
            return;

        var momentum = Buffer.Read(state, matrix).add_(matrix);
        var (rows, columns) = (matrix.size(0), matrix.size(1));
        var isTransposed = IsTransposed(rows, columns);
        var (left, right) = Advance(isTransposed ? momentum.t() : momentum, state, step);
        Buffer.Write(state, momentum, step);

        var update = isTransposed ? right.mm(left.t()) : left.mm(right.t());
        accumulator.add_(update.reshape(gradient.shape), scale * Scaling.Factor(rows, columns));
    }

    /// <summary>P and the new Q; the momentum is left with what they do not hold, and μ of what they do.</summary>
    private (Tensor Left, Tensor Right) Advance(Tensor momentum, StateBag state, in StepContext step)
    {
        var before = RightFactor(momentum, state, step);
        var left = Orthonormal.Columns(momentum.mm(before));
        var right = momentum.t().mm(left);
        momentum.AddProduct(left, right.t(), Momentum - 1);

        var lengths = right.norm(dim: 0, keepdim: true);
        var counts = lengths > lengths.max().mul(Noise);
        var unit = Orthonormalizes ? Orthonormal.Columns(right) : right / lengths.clamp_min(Precision.SmallestNormal);
        state.Set(Right, where(counts, unit, before));
        return (left * counts, unit);
    }

    private Tensor RightFactor(Tensor momentum, StateBag state, in StepContext step)
    {
        var context = step;
        return state.GetOrAdd(Right, () => Start.Draw(momentum, momentum.size(1), Rank.Within(momentum.shape), context));
    }

    private bool IsTransposed(long rows, long columns) => TransposesWide && rows < columns;

    public override string LayoutFor(IReadOnlyList<long> shape) =>
        $"{nameof(DionRule)} (momentum_buffer {States}, right_factor of rank {Rank.Within(shape)}{(TransposesWide ? ", wide matrices transposed" : "")})";

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        return [.. Buffer.SlotsFor(shape), Right.Of(Rank.Within(shape) * (IsTransposed(rows, columns) ? rows : columns))];
    }

    public override string? NoteFor(IReadOnlyList<long> shape) => MatrixRules.NoteOnRank(Rank, shape);
}
