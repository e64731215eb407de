namespace LowRankTraining.Numerics;

/// <summary>The nearest matrix whose singular values are all 1: U Vᵀ of M = U Σ Vᵀ. Nearly, by products alone, or exactly.</summary>
/// <remarks>Neither depends on the size of M, of which only the shape of the spectrum counts: it is divided by a power of two near its largest entry, which is
/// exact, then by its norm, so that nothing is squared before it is in range. Zero stays zero.</remarks>
internal static class PolarFactor
{
    /// <summary>σ²_min / σ²_max above which a Gram matrix in float32 tells the polar factor to about two digits, and above which to one, so that a step of
    /// Newton-Schulz makes two of it.</summary>
    private const double WellConditioned = 1e-5, Polishable = 2e-6;

    /// <summary>By <see cref="Numerics.NewtonSchulz"/> from X = M / ‖M‖_F.</summary>
    /// <param name="matrix">M, rows × columns, float32 or float64.</param>
    /// <param name="steps">How often.</param>
    /// <param name="inBFloat16">Whether the products are those of bfloat16; never for float64.</param>
    public static Tensor NewtonSchulz(Tensor matrix, int steps, bool inBFloat16)
    {
        using var scope = NewDisposeScope();
        using var unit = Unit(matrix, inBFloat16 && matrix.dtype != ScalarType.Float64 ? ScalarType.BFloat16 : matrix.dtype);
        return Numerics.NewtonSchulz.Steep.Steps(unit, steps).to(matrix.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>(M Mᵀ)^(−½) M by the eigenvectors of M Mᵀ, whose condition is the square of M's: in float64 where float32 would not do, and by SVD for
    /// float64.</summary>
    /// <param name="matrix">M, rows × columns, float32 or float64.</param>
    /// <returns>U Vᵀ over the singular values that rounding leaves distinct from zero: of a matrix of lower rank the directions that it has.</returns>
    public static Tensor Exact(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        var unit = Unit(matrix, matrix.dtype);
        if (matrix.dtype == ScalarType.Float64)
            return BySvd(unit).MoveToOuterDisposeScope();

        var (values, vectors) = EigenvectorsOf(unit);
        var condition = values[0].div(values[^1].clamp_min(Precision.SmallestNormal)).ToDouble();
        if (condition < Polishable)
        {
            values.Dispose();
            vectors.Dispose();
            (values, vectors) = EigenvectorsOf(unit.to(ScalarType.Float64));
        }

        var polar = FromShorterSide(InverseRoot(values, vectors).to(matrix.dtype), unit);
        return (condition is >= Polishable and < WellConditioned ? Numerics.NewtonSchulz.Last.Steps(polar, 1) : polar).MoveToOuterDisposeScope();
    }

    /// <summary>Λ and V of the Gram matrix.</summary>
    private static (Tensor Values, Tensor Vectors) EigenvectorsOf(Tensor unit)
    {
        using var gram = SymmetricProducts.Gram(unit);
        return SymmetricEigen.Of(gram);
    }

    /// <summary>V Λ^(−½) Vᵀ over the eigenvalues that are more than noise.</summary>
    private static Tensor InverseRoot(Tensor values, Tensor vectors)
    {
        var inverse = InverseWhere(values > values[^1].mul(Noise(values.shape[0]).Square()), values.sqrt());
        return (vectors * inverse).mm(vectors.t());
    }

    private static Tensor BySvd(Tensor unit)
    {
        var (left, values, right) = linalg.svd(unit, fullMatrices: false);
        return (left * InverseWhere(values > values[0].mul(values.shape[0] * 1e-15), values) * values).mm(right);
    }

    /// <summary>1 / x, or 0 where that is noise.</summary>
    private static Tensor InverseWhere(Tensor counts, Tensor x) => where(counts, x.reciprocal(), zeros_like(x));

    /// <summary>σ / σ_max that the rounding of a float32 matrix of so many rows or columns may leave.</summary>
    private static double Noise(long side) => Math.Sqrt(side) * 1.2e-7;

    private static double Square(this double x) => x * x;

    /// <summary>M / ‖M‖_F, in another precision once it is in range; a new tensor.</summary>
    private static Tensor Unit(Tensor matrix, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var unit = (matrix * matrix.PowerIntoRange()).to(dtype);
        return unit.div_(unit.norm().clamp_min_(Precision.SmallestNormal)).MoveToOuterDisposeScope();
    }

    /// <summary>P X, or X P where there are more rows than columns.</summary>
    private static Tensor FromShorterSide(Tensor square, Tensor x) => x.IsTall() ? x.mm(square) : square.mm(x);
}
