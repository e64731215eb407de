namespace LowRankTraining.Parts;

/// <summary>Every row of a matrix steps by the same length, along its gradient or the average of that.</summary>
/// <remarks>
/// <para>B = G, or with momentum B ← μB + (1 − μ)G; the update is B with each row divided by max(ε, the root mean square of its entries), or each column.
/// Rows are the outputs of a linear layer: what papers that write y = x W call columns.</para>
/// <para>State: with momentum <c>momentum_buffer</c>, in the gradient's shape and in <see cref="States"/>; else none. Scratch: none without momentum. A tensor
/// of more than two dimensions is treated as out × rest. For matrices only.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Glentis et al., A Minimalist Optimizer Design for LLM Pretraining (SCALE), arXiv 2506.16659, algorithm 1.</para>
/// </remarks>
public sealed record RowNormRule : DirectionRule
{
    /// <value>Whether columns have one length, in place of rows. Default false.</value>
    public bool ByColumns { get; init; }

    /// <value>μ, decay of the momentum, in [0, 1); 0 keeps none. Default 0 (SCALE, but for the last layer).</value>
    public double Momentum { get; init; }

    /// <value>ε, the smallest root mean square of a row that counts, in units of the gradient; above 0. Default 1e-8 (SCALE's code).</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>How the momentum is stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .Fraction(Momentum)
        .Above(0, Epsilon)
        .Moments(States);

    /// <inheritdoc/>
    public override RowNormRule WithStates(StateFormat states) => this with { States = states };

    /// <inheritdoc/>
    public override bool NeedsMatrix => true;

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments => Average.Moments;

    /// <inheritdoc/>
    public override string? StepCounter => Average.StepCounter;

    private AveragedGradient Average => new(Momentum, States);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        this.RequireMatrix(gradient, step);
        using var scope = NewDisposeScope();
        if (step.InRange(gradient) is not { } usable)
            return;

        var average = Average.Take(usable, state, step);
        accumulator.addcmul_(average, Factors(average), scale);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        this.RequireMatrix(gradient, step);
        using var scope = NewDisposeScope();
        var average = Average.Take(gradient, state, step);
        return ((average * Factors(average)).MoveToOuterDisposeScope(), 1);
    }

    /// <summary>1 / max(ε, RMS) of each row or column, in a shape that multiplies <paramref name="average"/>.</summary>
    private Tensor Factors(Tensor average)
    {
        var matrix = average.AsMatrix();
        var axis = ByColumns ? 0 : 1;
        var factors = SquaredNorms.Along(matrix, axis).div_(matrix.size(axis)).sqrt_().clamp_min_(Epsilon).reciprocal_();
        long[] shape = ByColumns ? [1, .. average.shape[1..]] : [average.shape[0], .. Enumerable.Repeat(1L, (int)average.dim() - 1)];
        return factors.reshape(shape);
    }
}
