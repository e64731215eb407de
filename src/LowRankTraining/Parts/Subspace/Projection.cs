namespace LowRankTraining.Parts;

/// <summary>A subspace of (rows × columns) matrices, given by a basis of one side or of each: projects into it, and steps back out of it.</summary>
public abstract class Projection
{
    private protected Projection() { }

    /// <value>The axis of a one-sided low-rank gradient along which the rank runs: 0 for a left projection, 1 for a right one.</value>
    public virtual int RankAxis => 0;

    /// <value>Whether one side alone is compressed.</value>
    internal virtual bool IsOneSided => true;

    /// <value>P, or the numbers of the rows that it picks; null where rows are not compressed.</value>
    internal Tensor? Left => LeftColumns?.Kept;

    /// <value>Q, or the numbers of the columns that it picks; null where columns are not compressed.</value>
    internal Tensor? Right => RightColumns?.Kept;

    /// <value>Whether every entry of the gradient enters its projection.</value>
    internal abstract bool SeesAll { get; }

    /// <value>The basis of the side that is compressed; of both sides the left one.</value>
    internal BasisColumns First => (LeftColumns ?? RightColumns)!;

    private protected virtual BasisColumns? LeftColumns => null;

    private protected virtual BasisColumns? RightColumns => null;

    /// <summary>The subspace of given bases.</summary>
    /// <param name="left">P, rows × rank; or the numbers of the rows that are kept, a vector of int64; or null where rows are not compressed.</param>
    /// <param name="right">Q, columns × rank; or the numbers of the columns that are kept; or null where columns are not compressed.</param>
    /// <exception cref="ArgumentException">Both are null.</exception>
    public static Projection Of(Tensor? left, Tensor? right) => (left, right) switch
    {
        ({ } rows, null) => new LeftProjection(BasisColumns.Of(rows)),
        (null, { } columns) => new RightProjection(BasisColumns.Of(columns)),
        ({ } rows, { } columns) => new TwoSidedProjection(BasisColumns.Of(rows), BasisColumns.Of(columns)),
        _ => throw new ArgumentException("A projection needs a basis of one side at least."),
    };

    /// <summary>R = PᵀG, GQ or PᵀGQ.</summary>
    public abstract Tensor Project(Tensor gradient);

    /// <summary>The projection of G = δᵀ x, which is not formed: R = (δP)ᵀ x, δᵀ(xQ) or (δP)ᵀ(xQ), in 2 N r (rows + columns) operations or less.</summary>
    /// <param name="delta">δ, N × rows, in the bases' dtype.</param>
    /// <param name="input">x, N × columns, in the bases' dtype.</param>
    public abstract Tensor ProjectProduct(Tensor delta, Tensor input);

    /// <summary>accumulator += scale · P X, X Qᵀ or P X Qᵀ, with no temporary of the accumulator's size.</summary>
    public abstract void AddBack(Tensor accumulator, Tensor lowRank, double scale);

    /// <summary>Shape of the low-rank gradient of a rows × columns matrix.</summary>
    public long[] ShapeOf(long rows, long columns) => [LeftColumns?.Rank ?? rows, RightColumns?.Rank ?? columns];

    /// <summary>What the subspace is on some of the rows, and what X is there: P X of the whole, restricted, is P′ X′.</summary>
    internal abstract Projection Rows(long first, long count, Tensor lowRank, out Tensor lowRankRows);

    /// <summary>A copy that stays what it is when the stored bases change.</summary>
    internal Projection Copy() => Of(Left?.clone(), Right?.clone());

    /// <summary>C = P_newᵀ P_old of the rows; null where rows are not compressed.</summary>
    internal Tensor? LeftOverlapIn(Projection to) => LeftColumns?.OverlapIn(to.LeftColumns!);

    /// <summary>C = Q_newᵀ Q_old of the columns; null where columns are not compressed.</summary>
    internal Tensor? RightOverlapIn(Projection to) => RightColumns?.OverlapIn(to.RightColumns!);

    /// <summary>LᵀR.</summary>
    private protected static Tensor Product(Tensor left, Tensor right)
    {
        using var transposed = left.t();
        return transposed.mm(right);
    }
}

/// <summary>Rows are compressed: PᵀG, rank × columns.</summary>
internal sealed class LeftProjection(BasisColumns basis) : Projection
{
    private protected override BasisColumns LeftColumns => basis;

    internal override bool SeesAll => basis.SeesAll;

    public override Tensor Project(Tensor gradient) => basis.CompressRows(gradient);

    public override Tensor ProjectProduct(Tensor delta, Tensor input)
    {
        using var compressed = basis.CompressColumns(delta);
        return Product(compressed, input);
    }

    public override void AddBack(Tensor accumulator, Tensor lowRank, double scale) => basis.AddRows(accumulator, lowRank, scale);

    internal override LeftProjection Rows(long first, long count, Tensor lowRank, out Tensor lowRankRows)
    {
        lowRankRows = lowRank;
        return new(basis.Rows(first, count, ref lowRankRows));
    }
}

/// <summary>Columns are compressed: GQ, rows × rank.</summary>
internal sealed class RightProjection(BasisColumns basis) : Projection
{
    public override int RankAxis => 1;

    private protected override BasisColumns RightColumns => basis;

    internal override bool SeesAll => basis.SeesAll;

    public override Tensor Project(Tensor gradient) => basis.CompressColumns(gradient);

    public override Tensor ProjectProduct(Tensor delta, Tensor input)
    {
        using var compressed = basis.CompressColumns(input);
        return Product(delta, compressed);
    }

    public override void AddBack(Tensor accumulator, Tensor lowRank, double scale) => basis.AddColumns(accumulator, lowRank, scale);

    internal override RightProjection Rows(long first, long count, Tensor lowRank, out Tensor lowRankRows)
    {
        lowRankRows = lowRank.narrow(0, first, count);
        return this;
    }
}

/// <summary>Both are: PᵀGQ, rank × rank.</summary>
/// <param name="left">P.</param>
/// <param name="right">Q.</param>
/// <param name="noiseFloor">Entries of a projection below this share of its largest one are zero; 0 keeps them all.</param>
internal sealed class TwoSidedProjection(BasisColumns left, BasisColumns right, double noiseFloor = 0) : Projection
{
    internal override bool IsOneSided => false;

    private protected override BasisColumns LeftColumns => left;

    private protected override BasisColumns RightColumns => right;

    internal override bool SeesAll => left.SeesAll && right.SeesAll;

    public override Tensor Project(Tensor gradient)
    {
        using var half = left.CompressRows(gradient);
        return AboveNoise(right.CompressColumns(half));
    }

    public override Tensor ProjectProduct(Tensor delta, Tensor input)
    {
        using var rows = left.CompressColumns(delta);
        using var columns = right.CompressColumns(input);
        return AboveNoise(Product(rows, columns));
    }

    public override void AddBack(Tensor accumulator, Tensor lowRank, double scale)
    {
        using var half = zeros(accumulator.size(0), lowRank.size(1), lowRank.dtype, lowRank.device);
        left.AddRows(half, lowRank, 1);
        right.AddColumns(accumulator, half, scale);
    }

    internal override TwoSidedProjection Rows(long first, long count, Tensor lowRank, out Tensor lowRankRows)
    {
        lowRankRows = lowRank;
        return new(left.Rows(first, count, ref lowRankRows), right, noiseFloor);
    }

    private Tensor AboveNoise(Tensor lowRank)
    {
        if (noiseFloor > 0)
        {
            using var scope = NewDisposeScope();
            var magnitude = lowRank.abs();
            lowRank.masked_fill_(magnitude < magnitude.max().mul(noiseFloor), 0);
        }

        return lowRank;
    }
}

/// <summary>Which side of a (rows × columns) gradient is compressed to the rank.</summary>
public enum ProjectionSide
{
    /// <summary>The short side: columns of a tall or square matrix, rows of a wide one. "std" in the authors' code.</summary>
    Short,

    /// <summary>The long side. "reverse_std" in the authors' code; costs more state, rarely useful.</summary>
    Long,

    /// <summary>The rows: low-rank gradient PᵀG, rank × columns.</summary>
    Left,

    /// <summary>The columns: low-rank gradient GQ, rows × rank.</summary>
    Right,

    /// <summary>Both: low-rank gradient PᵀGQ, rank × rank. "full" in the authors' code.</summary>
    Both,
}

/// <summary>Resolves a side for a given shape.</summary>
internal static class ProjectionSides
{
    /// <summary>Left, Right or Both. A square matrix counts as tall, as in the authors' code of GaLore, Fira and APOLLO.</summary>
    public static ProjectionSide For(this ProjectionSide side, long rows, long columns) => (side, tall: rows >= columns) switch
    {
        (ProjectionSide.Short, true) or (ProjectionSide.Long, false) => ProjectionSide.Right,
        (ProjectionSide.Short, false) or (ProjectionSide.Long, true) => ProjectionSide.Left,
        _ => side,
    };

    /// <summary>The largest rank that the side allows: its length, or the shorter one of both.</summary>
    public static long Limit(this ProjectionSide side, long rows, long columns) => side.For(rows, columns) switch
    {
        ProjectionSide.Left => rows,
        ProjectionSide.Right => columns,
        _ => Math.Min(rows, columns),
    };
}
