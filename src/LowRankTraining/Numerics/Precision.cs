namespace LowRankTraining.Numerics;

/// <summary>In which precision numbers are computed: half precision is for keeping them only.</summary>
internal static class Precision
{
    /// <summary>The smallest float32 that keeps all its digits; its reciprocal is finite.</summary>
    public const float SmallestNormal = 1.17549435e-38f;

    /// <summary>The largest magnitude that is computed with as it is where squares are taken: also the sum of 10⁸ such squares is finite. No gradient that
    /// means anything comes near it.</summary>
    public static double LargestSquared(this ScalarType dtype) => dtype == ScalarType.Float64 ? 1e150 : LargestSquaredSingle;

    /// <summary><see cref="LargestSquared"/> of float32.</summary>
    public const float LargestSquaredSingle = 1e15f;

    /// <summary>The entries, those beyond what can be squared cut to that; a new tensor.</summary>
    public static Tensor WithinSquares(this Tensor tensor) => tensor.clamp(-tensor.dtype.LargestSquared(), tensor.dtype.LargestSquared());

    /// <summary>2^−⌊log₂ max |x|⌋: brings the largest entry to between 1 and 2 without rounding anything, so that entries can be squared whatever their
    /// size; a scalar. The tensor must have entries.</summary>
    /// <remarks>On the CPU libtorch looks for the largest one number at a time.</remarks>
    public static Tensor PowerIntoRange(this Tensor tensor)
    {
        using var scope = NewDisposeScope();
        var largest = tensor.IsOnHost() ? torch.tensor(HostNumbers.Largest(tensor.Floats()), CPU) : tensor.norm(float.PositiveInfinity);
        return largest.clamp_min_(SmallestNormal).log2_().floor_().neg_().exp2_().MoveToOuterDisposeScope();
    }

    /// <summary>float64 for float64, float32 for everything else.</summary>
    public static ScalarType Computing(this ScalarType dtype) => dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    /// <summary>ε, twice the largest relative error of rounding, of the dtype that numbers of this kind are computed in.</summary>
    public static double Epsilon(this ScalarType dtype) => dtype == ScalarType.Float64 ? Math.ScaleB(1, -52) : Math.ScaleB(1, -23);

    /// <summary>Whether numbers of this kind can be trained.</summary>
    public static bool IsTrainable(this ScalarType dtype) => dtype is ScalarType.Float64 or ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Float16;

    /// <summary>Whether numbers of this kind are kept in half precision, so that rounding cuts something off.</summary>
    public static bool IsHalf(this ScalarType dtype) => dtype is ScalarType.BFloat16 or ScalarType.Float16;

    /// <summary>A tensor in the dtype that it is computed in: itself, where it has that already.</summary>
    public static Tensor Widened(this Tensor tensor)
    {
        var dtype = tensor.dtype;
        return dtype == dtype.Computing() ? tensor : tensor.to(dtype.Computing());
    }
}
