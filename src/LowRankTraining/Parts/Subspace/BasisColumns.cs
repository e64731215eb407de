namespace LowRankTraining.Parts;

/// <summary>P, the basis of one side while it is in use, s × rank: products with it and with its transpose.</summary>
internal abstract class BasisColumns
{
    /// <value>The columns, s × rank; or the numbers of the rows that they pick, a vector of int64. Not to be changed.</value>
    public abstract Tensor Kept { get; }

    /// <value>Whether every entry of a matrix enters its projection. Picked rows leave the others out.</value>
    public abstract bool SeesAll { get; }

    /// <value>Whether the columns are known to span the whole space.</value>
    public abstract bool IsComplete { get; }

    /// <value>Number of columns.</value>
    public abstract long Rank { get; }

    /// <summary>Columns, or the numbers of those of the identity.</summary>
    public static BasisColumns Of(Tensor kept) => kept.dim() == 1 ? new CoordinateColumns(kept) : new DenseColumns(kept);

    /// <summary>PᵀG.</summary>
    public abstract Tensor CompressRows(Tensor matrix);

    /// <summary>G P.</summary>
    public abstract Tensor CompressColumns(Tensor matrix);

    /// <summary>accumulator += scale · P X.</summary>
    public abstract void AddRows(Tensor accumulator, Tensor lowRank, double scale);

    /// <summary>accumulator += scale · X Pᵀ.</summary>
    public abstract void AddColumns(Tensor accumulator, Tensor lowRank, double scale);

    /// <summary>Some rows of P; and of X the rows that belong to them.</summary>
    public abstract BasisColumns Rows(long first, long count, ref Tensor lowRank);

    /// <summary>C = P_toᵀ P, rank of <paramref name="to"/> × rank.</summary>
    public abstract Tensor OverlapIn(BasisColumns to);

    /// <summary>Pᵀ P_from of picked rows: see <see cref="OverlapIn"/>.</summary>
    public abstract Tensor OverlapOf(CoordinateColumns from);
}

/// <summary>Columns as they are.</summary>
/// <param name="columns">P.</param>
/// <param name="rows">Pᵀ, where there is one already.</param>
internal sealed class DenseColumns(Tensor columns, Tensor? rows = null) : BasisColumns
{
    public override Tensor Kept => columns;

    public override bool SeesAll => true;

    public override bool IsComplete => columns.size(0) == columns.size(1);

    public override long Rank => columns.size(1);

    public override Tensor CompressRows(Tensor matrix)
    {
        using var transposed = rows is null ? columns.t() : null;
        return (rows ?? transposed!).mm(matrix);
    }

    public override Tensor CompressColumns(Tensor matrix) => matrix.mm(columns);

    public override void AddRows(Tensor accumulator, Tensor lowRank, double scale) => accumulator.AddProduct(columns, lowRank, scale);

    public override void AddColumns(Tensor accumulator, Tensor lowRank, double scale)
    {
        using var transposed = rows is null ? columns.t() : null;
        accumulator.AddProduct(lowRank, rows ?? transposed!, scale);
    }

    public override DenseColumns Rows(long first, long count, ref Tensor lowRank) => new(columns.narrow(0, first, count));

    public override Tensor OverlapIn(BasisColumns to) => to.CompressRows(columns);

    public override Tensor OverlapOf(CoordinateColumns from) => from.CompressRows(columns).t();
}

/// <summary>Columns of the identity, by their numbers: no product is needed in either direction.</summary>
internal sealed class CoordinateColumns(Tensor numbers) : BasisColumns
{
    public override Tensor Kept => numbers;

    public override bool SeesAll => false;

    public override bool IsComplete => false;

    public override long Rank => numbers.size(0);

    public override Tensor CompressRows(Tensor matrix) => matrix.index_select(0, numbers);

    public override Tensor CompressColumns(Tensor matrix) => PickedColumns.Of(matrix, numbers);

    public override void AddRows(Tensor accumulator, Tensor lowRank, double scale) => accumulator.index_add_(0, numbers, lowRank, scale);

    public override void AddColumns(Tensor accumulator, Tensor lowRank, double scale) => PickedColumns.Add(accumulator, numbers, lowRank, scale);

    /// <summary>Those that fall there.</summary>
    public override CoordinateColumns Rows(long first, long count, ref Tensor lowRank)
    {
        var here = numbers.ge(first).logical_and_(numbers.lt(first + count)).nonzero().squeeze(1);
        lowRank = lowRank.index_select(0, here);
        return new(numbers.index_select(0, here).sub(first));
    }

    public override Tensor OverlapIn(BasisColumns to) => to.OverlapOf(this);

    public override Tensor OverlapOf(CoordinateColumns from)
    {
        using var column = numbers.unsqueeze(1);
        using var same = column.eq(from.Kept);
        return same.to(ScalarType.Float32);
    }
}
