using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Eigenvalues and eigenvectors of symmetric matrices.</summary>
internal static class SymmetricEigen
{
    /// <summary>Λ, ascending, and V of a symmetric matrix.</summary>
    /// <remarks>Of a Gram matrix of low rank, whose entries fall to the smallest that float32 has, about one in a hundred brings LAPACK to NaN or to no end.
    /// A + δ I has the same vectors and no such entries on its diagonal; at δ of the size of A's rounding its values are Λ + δ to the same digits.</remarks>
    /// <exception cref="ExternalException">The matrix is not finite.</exception>
    public static (Tensor Values, Tensor Vectors) Of(Tensor symmetric)
    {
        if (Try(symmetric) is { } found)
            return found;

        using var scope = NewDisposeScope();
        var shift = symmetric.norm(float.PositiveInfinity).mul(symmetric.dtype == ScalarType.Float64 ? 1e-15 : 1e-6);
        var (values, vectors) = linalg.eigh(symmetric.add(eye(symmetric.shape[0], dtype: symmetric.dtype, device: symmetric.device).mul(shift)));
        return (values.sub(shift).MoveToOuterDisposeScope(), vectors.MoveToOuterDisposeScope());
    }

    private static (Tensor, Tensor)? Try(Tensor symmetric)
    {
        try
        {
            var (values, vectors) = linalg.eigh(symmetric);
            using var finite = vectors.isfinite();
            if (finite.all().ToBoolean())
                return (values, vectors);
            values.Dispose();
            vectors.Dispose();
        }
        catch (ExternalException)
        {
            // It has not converged, which the other way does.
        }

        return null;
    }
}
