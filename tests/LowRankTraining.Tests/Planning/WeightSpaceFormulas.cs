using LowRankTraining.Strategies;

namespace LowRankTraining.Tests.Planning;

/// <summary>What a weight-space method holds for a matrix, and what a step with it costs, from the matrix's shape
/// alone; the sum over several is that of a model.</summary>
/// <remarks>
/// <para>With m × n the shape, r the rank, P = r (m + n), nnz = ⌊δ m n⌋, and bytes as <see cref="NumberBytes"/> has them:</para>
/// <para>dense mn (b_w + b_g + 2b_s); LoRA, ReLoRA mn b_frozen + P (b_a + b_g + 2b_s); DoRA the same with P + m; SLTrain (P + nnz)(b_a + b_g + 2b_s) + nnz b_i;
/// factorized (InRank, WeLore, CoLA) P (b_a + b_g + 2b_s); Spectron P (b_a + b_g + b_s) + 4 (m + n + 2).</para>
/// <para>Rank above a matrix's short side counts as that side. Activations are not counted.</para>
/// </remarks>
internal sealed record WeightSpaceMemory
{
    private WeightSpaceMemory() { }

    /// <value>Numbers that are trained at full rank.</value>
    public long Full { get; private init; }

    /// <value>Numbers of weights that are kept and not trained.</value>
    public long Frozen { get; private init; }

    /// <value>Numbers of factors, magnitudes and sparse parts: trained.</value>
    public long Adapter { get; private init; }

    /// <value>Positions that are kept.</value>
    public long Indices { get; private init; }

    /// <value>Numbers of scratch while one matrix is at work, over the largest one: dense weights and gradients that are
    /// made for a product, or the change that is merged.</value>
    public long Scratch { get; private init; }

    /// <value>Numbers that are trained.</value>
    public long Trained => Full + Adapter;

    /// <value>Numbers of the model: what is trained and what is frozen.</value>
    public long Parameters => Trained + Frozen;

    /// <value>Moments of each number of factors.</value>
    private int MomentsOfAdapter { get; init; } = 2;

    /// <value>Numbers in float32 that are kept beside moments.</value>
    private long Others { get; init; }

    private long FlopsPerRow { get; init; }

    private long FlopsPerPass { get; init; }

    /// <summary>A matrix that is trained as it is.</summary>
    public static WeightSpaceMemory Dense(long rows, long columns) =>
        new() { Full = rows * columns, FlopsPerRow = 6 * rows * columns };

    /// <summary>LoRA and ReLoRA: factors beside a frozen matrix.</summary>
    public static WeightSpaceMemory LowRank(long rows, long columns, long rank)
    {
        var factors = Factors(rows, columns, rank);
        return new() { Frozen = rows * columns, Adapter = factors, Scratch = rows * columns, FlopsPerRow = 4 * rows * columns + 6 * factors };
    }

    /// <summary>DoRA: LoRA with a magnitude for every row.</summary>
    public static WeightSpaceMemory Dora(long rows, long columns, long rank)
    {
        var lora = LowRank(rows, columns, rank);
        return lora with { Adapter = lora.Adapter + rows, Scratch = 2 * rows * columns, FlopsPerPass = 2 * rows * columns * Cut(rows, columns, rank) };
    }

    /// <summary>SLTrain: factors and a sparse part in the place of the matrix.</summary>
    /// <param name="rows">m.</param>
    /// <param name="columns">n.</param>
    /// <param name="rank">r.</param>
    /// <param name="density">δ.</param>
    /// <param name="keepsIndices">Whether positions are kept, or drawn again from their seed.</param>
    public static WeightSpaceMemory SparseLowRank(long rows, long columns, long rank, double density, bool keepsIndices = true)
    {
        var values = Support.CountFor(density, rows, columns);
        return new()
        {
            Adapter = Factors(rows, columns, rank) + values,
            Indices = keepsIndices ? values : 0,
            Scratch = rows * columns,
            FlopsPerRow = 6 * rows * columns,
            FlopsPerPass = 8 * rows * columns * Cut(rows, columns, rank),
        };
    }

    /// <summary>Factors in the place of the matrix: InRank, WeLore, CoLA.</summary>
    public static WeightSpaceMemory Factorized(long rows, long columns, long rank)
    {
        var factors = Factors(rows, columns, rank);
        return new() { Adapter = factors, FlopsPerRow = 6 * factors };
    }

    /// <summary>Factors in the place of the matrix with one moment, a singular vector each, and what the next step is divided by.</summary>
    public static WeightSpaceMemory Spectron(long rows, long columns, long rank) =>
        Factorized(rows, columns, rank) with { MomentsOfAdapter = 1, Others = rows + columns + 2 };

    /// <summary>What several matrices need together.</summary>
    public static WeightSpaceMemory Sum(IEnumerable<WeightSpaceMemory> matrices)
    {
        ArgumentNullException.ThrowIfNull(matrices);
        return matrices.Aggregate(new WeightSpaceMemory(), (sum, next) => new()
        {
            Full = sum.Full + next.Full,
            Frozen = sum.Frozen + next.Frozen,
            Adapter = sum.Adapter + next.Adapter,
            Indices = sum.Indices + next.Indices,
            Scratch = Math.Max(sum.Scratch, next.Scratch),
            FlopsPerRow = sum.FlopsPerRow + next.FlopsPerRow,
            FlopsPerPass = sum.FlopsPerPass + next.FlopsPerPass,
        });
    }

    /// <summary>Weights, gradients, moments and positions.</summary>
    public double Bytes(NumberBytes each) =>
        Full * (each.Weight + each.Gradient + 2 * each.Moment) + Frozen * each.Frozen
        + Adapter * (each.Adapter + each.Gradient + MomentsOfAdapter * each.Moment) + Indices * each.Index + Others * sizeof(float);

    /// <summary>Floating-point operations of a forward and backward pass.</summary>
    /// <param name="inputRows">N, tokens of the micro-batch.</param>
    public double Flops(long inputRows) => (double)FlopsPerRow * inputRows + FlopsPerPass;

    private static long Factors(long rows, long columns, long rank) => Cut(rows, columns, rank) * (rows + columns);

    private static long Cut(long rows, long columns, long rank) => Math.Min(rank, Math.Min(rows, columns));
}
