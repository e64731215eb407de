namespace LowRankTraining.Parts;

/// <summary>Adafactor's second moment: of a matrix only the averages of its rows and columns are kept.</summary>
/// <remarks>
/// With β_t = 1 − tᵈ: r ← β_t r + (1 − β_t) mean_j(G² + ε), c ← β_t c + (1 − β_t) mean_i(G² + ε); G² is estimated by r cᵀ / mean(r). State:
/// <c>exp_avg_sq_row</c> and <c>exp_avg_sq_col</c>; of a vector, and of a matrix with one row or column, <c>exp_avg_sq</c>. Scratch: the result, and nothing
/// else of the gradient's size. Source: Shazeer and Stern, arXiv 1804.04235, algorithm 4.
/// </remarks>
/// <param name="DecayRate">d, below 0.</param>
/// <param name="Epsilon">ε, added to the squared gradient.</param>
internal readonly record struct FactoredSquare(double DecayRate, double Epsilon)
{
    private static readonly StateSlot Rows = new("exp_avg_sq_row"), Columns = new("exp_avg_sq_col"), Whole = new("exp_avg_sq");

    /// <summary>Takes the gradient of update <paramref name="t"/> in, and divides it by the root of the estimate.</summary>
    /// <returns>A new tensor in the gradient's shape, owned by the current dispose scope.</returns>
    public Tensor Normalize(Tensor gradient, long t, StateBag state)
    {
        using var scope = NewDisposeScope();
        var decay = 1 - Math.Pow(t, DecayRate);
        var usable = gradient.WithinSquares();
        var normalized = IsVector(gradient.shape) ? NormalizeVector(usable, decay, state) : NormalizeMatrix(usable, decay, state);
        return normalized.MoveToOuterDisposeScope();
    }

    /// <summary>Multiplies by min(1, d / RMS), in place.</summary>
    public static void Clip(Tensor update, double threshold)
    {
        using var factor = update.norm().reciprocal_().mul_(threshold * Math.Sqrt(update.numel())).clamp_max_(1);
        update.mul_(factor);
    }

    public static IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) =>
        IsVector(shape) ? [Whole.Of(shape.Elements())] : [Rows.Of(shape.Sides().Rows), Columns.Of(shape.Sides().Columns)];

    public static void Remove(StateBag state)
    {
        state.Remove(Rows);
        state.Remove(Columns);
        state.Remove(Whole);
    }

    /// <summary>Of one row or column the averages of the rows and columns are the squares themselves, and one number more.</summary>
    private static bool IsVector(IReadOnlyList<long> shape) => shape.Count < 2 || shape.Sides() is { Rows: 1 } or { Columns: 1 };

    private Tensor NormalizeVector(Tensor gradient, double decay, StateBag state)
    {
        var square = state.ZerosLike(Whole, gradient).mul_(decay).add_(gradient.square().add_(Epsilon), 1 - decay);
        return gradient.mul_(square.rsqrt());
    }

    /// <inheritdoc cref="NormalizeVector"/>
    private Tensor NormalizeMatrix(Tensor gradient, double decay, StateBag state)
    {
        var matrix = gradient.AsMatrix();
        var rows = Average(Rows, matrix, axis: 1, decay, state);
        var columns = Average(Columns, matrix, axis: 0, decay, state);

        var ofRows = rows.div(rows.mean()).rsqrt_().unsqueeze(1);
        return matrix.mul_(ofRows).mul_(columns.rsqrt()).reshape(gradient.shape);
    }

    private Tensor Average(string name, Tensor matrix, int axis, double decay, StateBag state)
    {
        var means = SquaredNorms.Along(matrix, axis).reshape(-1).div_(matrix.shape[axis]).add_(Epsilon);
        return state.ZerosLike(name, means).mul_(decay).add_(means, 1 - decay);
    }
}
