using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Numerics;

/// <summary>The nearest matrix whose singular values are all 1: U Vᵀ of M = U Σ Vᵀ. Nearly, by products alone, or exactly.</summary>
/// <remarks>Neither depends on the size of M, of which only the shape of the spectrum counts: it is divided by a power of two near its largest entry, which is
/// exact, then by its norm, so that nothing is squared before it is in range. Zero stays zero.</remarks>
internal static class PolarFactor
{
    /// <summary>a, b and c of a step that takes singular values between 0.01 and 1 to within 0.3 of 1 in five steps.</summary>
    /// <remarks>Source: Jordan et al., Muon, https://kellerjordan.github.io/posts/muon/ (2024).</remarks>
    private const double A = 3.4445, B = -4.7750, C = 2.0315;

    /// <summary>σ²_min / σ²_max above which a Gram matrix in float32 tells the polar factor to about three digits.</summary>
    private const double WellConditioned = 1e-4;

    /// <summary>Newton-Schulz: X ← (a I + b X Xᵀ + c (X Xᵀ)²) X, on the shorter side, from X = M / ‖M‖_F.</summary>
    /// <param name="matrix">M, rows × columns, float32 or float64.</param>
    /// <param name="steps">How often.</param>
    /// <param name="inBFloat16">Whether the products are those of bfloat16; never for float64.</param>
    public static Tensor NewtonSchulz(Tensor matrix, int steps, bool inBFloat16)
    {
        using var scope = NewDisposeScope();
        var polar = Unit(matrix, inBFloat16 && matrix.dtype != ScalarType.Float64 ? ScalarType.BFloat16 : matrix.dtype);

        for (var step = 0; step < steps; step++)
        {
            using var before = polar;
            polar = NewtonSchulzStep(before);
        }

        return polar.to(matrix.dtype).MoveToOuterDisposeScope();
    }

    private static Tensor NewtonSchulzStep(Tensor x)
    {
        using var scope = NewDisposeScope();
        var square = Gram(x);
        var polynomial = square.mm(square).mul_(C).add_(square, B);
        return FromShorterSide(polynomial, x).add_(x, A).MoveToOuterDisposeScope();
    }

    /// <summary>(M Mᵀ)^(−½) M by eigenvectors, in float64 where float32 would not do, and by SVD for float64.</summary>
    /// <param name="matrix">M, rows × columns, float32 or float64.</param>
    /// <returns>U Vᵀ over the singular values that rounding leaves distinct from zero: of a matrix of lower rank the directions that it has.</returns>
    public static Tensor Exact(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        var unit = Unit(matrix, matrix.dtype);
        var polar = matrix.dtype == ScalarType.Float64
            ? BySvd(unit)
            : TryByGram(unit, WellConditioned) ?? TryByGram(unit.to(ScalarType.Float64), leastRatio: 0)!;
        return polar.to(matrix.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>By the eigenvectors of the Gram matrix, whose condition is the square of the matrix's; null where that is too much.</summary>
    private static Tensor? TryByGram(Tensor unit, double leastRatio)
    {
        using var root = TryInverseRoot(unit, leastRatio);
        return root is null ? null : FromShorterSide(root, unit);
    }

    private static Tensor? TryInverseRoot(Tensor unit, double leastRatio)
    {
        using var scope = NewDisposeScope();
        var (values, vectors) = linalg.eigh(Gram(unit));
        var largest = values[^1];
        if (leastRatio > 0 && !(values[0] > largest * leastRatio).ToBoolean())
            return null;

        var inverse = InverseWhere(values > largest * Noise(values.shape[0]).Square(), values.sqrt());
        return (vectors * inverse).mm(vectors.t()).MoveToOuterDisposeScope();
    }

    private static Tensor BySvd(Tensor unit)
    {
        var (left, values, right) = linalg.svd(unit, fullMatrices: false);
        return (left * InverseWhere(values > values[0] * (values.shape[0] * 1e-15), values) * values).mm(right);
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

    /// <summary>X Xᵀ, or XᵀX where there are more rows than columns.</summary>
    private static Tensor Gram(Tensor x)
    {
        using var transposed = x.t();
        return IsTall(x) ? transposed.mm(x) : x.mm(transposed);
    }

    /// <summary>P X, or X P where there are more rows than columns.</summary>
    private static Tensor FromShorterSide(Tensor square, Tensor x) => IsTall(x) ? x.mm(square) : square.mm(x);

    private static bool IsTall(Tensor x) => x.size(0) > x.size(1);
}
