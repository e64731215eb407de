using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Numerics;

/// <summary>Orthonormal bases of column spaces.</summary>
public static class Orthonormal
{
    /// <summary>Orthonormal columns with the span of the columns of <paramref name="matrix"/>.</summary>
    /// <param name="matrix">s × r, s ≥ r. A column that depends on the others is replaced by an arbitrary direction.</param>
    /// <returns>s × r. The triangular factor has a positive diagonal, so that nearly orthonormal columns come back nearly unchanged.</returns>
    /// <remarks>Cholesky-QR, twice: all of it products. Where the columns are too dependent for that, Householder QR.
    /// Source: Yamamoto, Nakatsukasa, Yanagisawa and Fukaya, ETNA 44 (2015).</remarks>
    public static Tensor Columns(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        var columns = TryCholesky(matrix) ?? Householder(matrix);
        return columns.MoveToOuterDisposeScope();
    }

    /// <summary>Flips columns so that the entry of largest magnitude is positive.</summary>
    /// <returns>A new tensor.</returns>
    public static Tensor WithCanonicalSigns(Tensor basis)
    {
        using var scope = NewDisposeScope();
        var peak = basis.gather(0, basis.abs().argmax(0, keepdim: true));
        return basis.mul(where(peak < 0, -ones_like(peak), ones_like(peak))).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>Columns with the same span, orthonormal but for an error of about cond² · ε: enough to go on from, at a third of the price.</summary>
    internal static Tensor NearlyColumns(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        using var gram = Gram(matrix);
        return (Whitened(matrix, gram) ?? Householder(matrix)).MoveToOuterDisposeScope();
    }

    private static Tensor? TryCholesky(Tensor matrix)
    {
        using var gram = Gram(matrix);
        using var once = Whitened(matrix, gram);
        if (once is null)
            return null;

        // The first pass leaves errors of about cond² · ε. Below a half the second one takes them away; above, nothing can be said.
        using var again = Gram(once);
        using var departure = (again - eye(again.shape[0], dtype: again.dtype, device: again.device)).abs_().max();
        return departure.ToDouble() < 0.5 ? Whitened(once, again) : null;
    }

    private static Tensor Gram(Tensor matrix) => matrix.t().mm(matrix);

    /// <summary>A L⁻ᵀ with L Lᵀ = AᵀA: a product with a small inverse, which is faster than solving against the tall matrix.</summary>
    private static Tensor? Whitened(Tensor matrix, Tensor gram)
    {
        using var scope = NewDisposeScope();
        var (lower, info) = linalg.cholesky_ex(gram);
        if (info.ToInt32() != 0)
            return null;

        var inverse = linalg.solve_triangular(lower, eye(gram.shape[0], dtype: gram.dtype, device: gram.device), upper: false);
        return matrix.mm(inverse.t()).MoveToOuterDisposeScope();
    }

    private static Tensor Householder(Tensor matrix)
    {
        var (columns, triangular) = linalg.qr(matrix);
        var diagonal = triangular.diagonal();
        return columns.mul(where(diagonal < 0, -ones_like(diagonal), ones_like(diagonal)));
    }
}
