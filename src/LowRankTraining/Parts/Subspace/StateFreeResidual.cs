namespace LowRankTraining.Parts;

/// <summary>The step in the subspace, and outside it a step that needs no memory: the sign of the rest of the gradient, or the rest itself.</summary>
/// <remarks>U = α c P N + κ sign(G − P R), or κ (G − P R), or that with rows of one length, or rows and columns. Scratch: a slab of rows; for rows and columns
/// all of the rest. Where a basis is dense, what rounding leaves of entries that lie inside is zero: a step without a size would make as much of it as of a
/// gradient.
/// Source: Zmushko et al., FRUGAL, arXiv 2411.07837, algorithm 1.</remarks>
public sealed record StateFreeResidual : ILift
{
    private const long SlabElements = 1 << 18, PieceElements = 1 << 16;

    /// <summary>What rounding leaves of an entry of G − P R, at the most, in units of ε and of the root mean square length of the columns or rows that are
    /// projected.</summary>
    private const double Rounding = 32;

    /// <value>α, a factor on the step inside the subspace; above 0. Default 1 (FRUGAL).</value>
    public double Scale { get; init; } = 1;

    /// <value>κ, a factor on the step outside; at least 0. Default 1 (FRUGAL, pre-training; 0.1 for fine-tuning).</value>
    public double ResidualScale { get; init; } = 1;

    /// <value>What is done outside. Default: the sign (FRUGAL).</value>
    public StateFreeStep Outside { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Above(0, Scale)
        .AtLeast(0, ResidualScale)
        .Defined(Outside);

    /// <inheritdoc/>
    public bool NeedsFullGradient => Outside != StateFreeStep.None;

    /// <inheritdoc/>
    public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state)
    {
        var (gradient, projection, inside, direction, correction) = lowRank;
        projection.AddBack(accumulator, direction, scale * correction * Scale);
        if (Outside == StateFreeStep.None || ResidualScale == 0)
            return;

        // In slabs of rows: the rest of the gradient would be a matrix of its own. Columns have a length only where it is.
        var (rows, columns) = (gradient.shape[0], gradient.shape[1]);
        var height = Outside == StateFreeStep.Sinkhorn ? rows : Math.Max(64, SlabElements / columns);
        using var noise = projection.SeesAll && Outside != StateFreeStep.Gradient ? NoiseOf(gradient, projection) : null;
        for (long row = 0; row < rows; row += height)
        {
            using var slab = NewDisposeScope();
            var size = Math.Min(height, rows - row);
            var rest = gradient.narrow(0, row, size).clone();
            projection.Rows(row, size, inside, out var insideRows).AddBack(rest, insideRows, -1);
            if (noise is not null)
                DropNoise(rest, noise);
            accumulator.narrow(0, row, size).add_(StateFree.Step(Outside, rest), scale * ResidualScale);
        }
    }

    /// <summary>Entries that may be rounding become zero, some rows at a time.</summary>
    private static void DropNoise(Tensor rest, Tensor noise)
    {
        using var negative = noise.neg();
        var height = Math.Max(1, PieceElements / rest.size(1));
        for (long row = 0; row < rest.size(0); row += height)
        {
            using var scope = NewDisposeScope();
            var piece = rest.narrow(0, row, Math.Min(height, rest.size(0) - row));
            piece.masked_fill_(piece.ge(negative).logical_and_(piece.le(noise)), 0);
        }
    }

    private static Tensor NoiseOf(Tensor gradient, Projection projection)
    {
        var (rows, columns) = (gradient.shape[0], gradient.shape[1]);
        var projected = !projection.IsOneSided ? Math.Min(rows, columns) : projection.RankAxis == 0 ? columns : rows;
        using var norm = gradient.norm();
        return norm.mul(Rounding * gradient.dtype.Epsilon() / Math.Sqrt(projected));
    }
}

/// <summary>Steps that need no memory.</summary>
internal static class StateFree
{
    private const double Smallest = 1e-8;
    private const int Passes = 5;

    /// <summary>The step along whole rows of a matrix, or along all of it where columns count, which is used up.</summary>
    public static Tensor Step(StateFreeStep kind, Tensor rows) => kind switch
    {
        StateFreeStep.Sign => rows.sign_(),
        StateFreeStep.NormalizedRows => rows.div_(SquaredNorms.Along(rows, 1).div_(rows.size(1)).sqrt_().clamp_min_(Smallest)),
        StateFreeStep.Sinkhorn => OfOneLength(rows.Widened()),
        _ => rows,
    };

    private static Tensor OfOneLength(Tensor matrix)
    {
        var factors = Sinkhorn.Of(matrix, Passes);
        return matrix.mul_(factors.Rows.unsqueeze(1)).mul_(factors.Columns);
    }
}

/// <summary>A step that needs no memory.</summary>
public enum StateFreeStep
{
    /// <summary>The sign of every entry: signSGD.</summary>
    Sign,

    /// <summary>The entries themselves: SGD.</summary>
    Gradient,

    /// <summary>None: training stays inside the subspace.</summary>
    None,

    /// <summary>The entries, each row divided by the root mean square of what is left of it: a step of the sign's size, along the gradient. For the rows of the
    /// matrix, outputs of a linear layer. Glentis et al., SCALE, arXiv 2506.16659.</summary>
    NormalizedRows,

    /// <summary>The entries, rows and columns of what is left brought to one length in turn, five times: a step of the sign's size. Scetbon et al., SinkGD,
    /// arXiv 2502.06742.</summary>
    Sinkhorn,
}
