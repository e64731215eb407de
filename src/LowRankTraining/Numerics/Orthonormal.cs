namespace LowRankTraining.Numerics;

/// <summary>Orthonormal bases of column spaces.</summary>
internal static class Orthonormal
{
    /// <summary>‖QᵀQ − I‖ of what is as orthonormal as float32 products can tell, and of what a short series mends.</summary>
    private const double Negligible = 5e-6, Small = 0.02;

    /// <summary>Orthonormal columns with the span of the columns of <paramref name="matrix"/>.</summary>
    /// <param name="matrix">s × r, s ≥ r. A column that depends on the others is replaced by an arbitrary direction.</param>
    /// <returns>s × r. Nearly orthonormal columns come back nearly unchanged, signs included.</returns>
    /// <remarks>Cholesky-QR, and a correction of what it leaves: all of it products. Where the columns are too dependent for that, Householder QR.
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
        return basis.mul(Signs(peak)).contiguous().MoveToOuterDisposeScope();
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
        var once = Whitened(matrix, gram);
        if (once is null)
            return null;

        // The first pass leaves an error E of about cond² · ε. How large it is says what is needed to take it away; from a half on nothing can be said.
        using var again = Gram(once);
        using var error = again - eye(again.shape[0], dtype: again.dtype, device: again.device);
        return error.norm().ToDouble() switch
        {
            < Negligible => once,
            < Small => Corrected(once, error),
            < 0.5 => Whitened(once, again),
            _ => null,
        };
    }

    /// <summary>Q (I + E)^(−½), by its series as far as the square: what is left is of the size of E³.</summary>
    private static Tensor Corrected(Tensor columns, Tensor error)
    {
        using var correction = error.mul(-0.5).addmm_(error, error, beta: 1, alpha: 0.375f);
        return columns.addmm(columns, correction);
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
        return columns.mul(Signs(triangular.diagonal()));
    }

    /// <summary>−1 for what is below zero, else 1.</summary>
    private static Tensor Signs(Tensor x) => where(x.lt(0), -ones_like(x), ones_like(x));
}
