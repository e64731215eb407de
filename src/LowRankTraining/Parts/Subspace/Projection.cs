using System.Diagnostics.CodeAnalysis;
using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

/// <summary>A subspace of (rows × columns) matrices, given by bases of one side or of both.</summary>
/// <param name="Left">P, rows × rank; or the numbers of the rows that are kept, a vector of int64; or null.</param>
/// <param name="Right">Q, columns × rank; or the numbers of the columns that are kept; or null.</param>
public readonly record struct Projection(Tensor? Left, Tensor? Right)
{
    /// <value>The axis of a one-sided low-rank gradient along which the rank runs: 0 for a left projection, 1 for a right one.</value>
    public int RankAxis => Left is null ? 1 : 0;

    /// <value>Whether every entry of the gradient enters its projection. Picked rows or columns leave the others out.</value>
    internal bool SeesAll => !BasisProducts.IsCoordinates(Left) && !BasisProducts.IsCoordinates(Right);

    /// <summary>PᵀG, GQ or PᵀGQ.</summary>
    public Tensor Project(Tensor gradient)
    {
        if (Left is null)
            return BasisProducts.CompressColumns(gradient, Right!);
        if (Right is null)
            return BasisProducts.CompressRows(gradient, Left);

        using var half = BasisProducts.CompressRows(gradient, Left);
        return BasisProducts.CompressColumns(half, Right);
    }

    /// <summary>accumulator += scale · P X, X Qᵀ or P X Qᵀ, with no temporary of the accumulator's size.</summary>
    public void AddBack(Tensor accumulator, Tensor lowRank, double scale)
    {
        if (Right is null)
            BasisProducts.AddExpandedRows(accumulator, Left!, lowRank, scale);
        else if (Left is null)
            BasisProducts.AddExpandedColumns(accumulator, Right, lowRank, scale);
        else
        {
            using var half = zeros(accumulator.shape[0], lowRank.shape[1], lowRank.dtype, lowRank.device);
            BasisProducts.AddExpandedRows(half, Left, lowRank, 1);
            BasisProducts.AddExpandedColumns(accumulator, Right, half, scale);
        }
    }

    /// <summary>Shape of the low-rank gradient of a rows × columns matrix.</summary>
    public long[] ShapeOf(long rows, long columns) =>
        [Left is null ? rows : BasisProducts.RankOf(Left), Right is null ? columns : BasisProducts.RankOf(Right)];

    /// <summary>What the subspace is on some of the rows, and what X is there: P X of the whole, restricted, is P′ X′.</summary>
    internal Projection Rows(long first, long count, Tensor lowRank, out Tensor lowRankRows)
    {
        lowRankRows = Left is null ? lowRank.narrow(0, first, count) : lowRank;
        return new(Left is null ? null : BasisProducts.Rows(Left, first, count, ref lowRankRows), Right);
    }

    /// <summary>A copy that stays what it is when the stored bases change.</summary>
    internal Projection Copy() => new(Left?.clone(), Right?.clone());
}

/// <summary>Products with a basis, be it given by columns or by row numbers.</summary>
internal static class BasisProducts
{
    public static bool IsCoordinates([NotNullWhen(true)] Tensor? basis) => basis?.dim() == 1;

    public static long RankOf(Tensor basis) => basis.shape[^1];

    /// <summary>Some rows of P. Of coordinates those that fall there, and of X the rows that belong to them.</summary>
    public static Tensor Rows(Tensor basis, long first, long count, ref Tensor lowRank)
    {
        if (!IsCoordinates(basis))
            return basis.narrow(0, first, count);

        var here = basis.ge(first).logical_and_(basis.lt(first + count)).nonzero().squeeze(1);
        lowRank = lowRank.index_select(0, here);
        return basis.index_select(0, here) - first;
    }

    /// <summary>PᵀG.</summary>
    public static Tensor CompressRows(Tensor matrix, Tensor basis)
    {
        if (IsCoordinates(basis))
            return matrix.index_select(0, basis);
        using var transposed = basis.t();
        return transposed.mm(matrix);
    }

    /// <summary>G Q.</summary>
    public static Tensor CompressColumns(Tensor matrix, Tensor basis) => IsCoordinates(basis) ? PickedColumns.Of(matrix, basis) : matrix.mm(basis);

    /// <summary>accumulator += scale · P X.</summary>
    public static void AddExpandedRows(Tensor accumulator, Tensor basis, Tensor lowRank, double scale)
    {
        if (IsCoordinates(basis))
            accumulator.index_add_(0, basis, lowRank, scale);
        else
            accumulator.AddProduct(basis, lowRank, scale);
    }

    /// <summary>accumulator += scale · X Qᵀ.</summary>
    public static void AddExpandedColumns(Tensor accumulator, Tensor basis, Tensor lowRank, double scale)
    {
        if (IsCoordinates(basis))
        {
            PickedColumns.Add(accumulator, basis, lowRank, scale);
            return;
        }

        using var transposed = basis.t();
        accumulator.AddProduct(lowRank, transposed, scale);
    }

    /// <summary>C = P_toᵀ P_from, rank of <paramref name="to"/> × rank of <paramref name="from"/>.</summary>
    public static Tensor Overlap(Tensor from, Tensor to, ScalarType dtype)
    {
        if (!IsCoordinates(from))
            return CompressRows(from, to);
        if (!IsCoordinates(to))
            return CompressRows(to, from).t();

        using var column = to.unsqueeze(1);
        using var same = column.eq(from);
        return same.to(dtype);
    }
}
