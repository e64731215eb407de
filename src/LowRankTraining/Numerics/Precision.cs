using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Numerics;

/// <summary>In which precision numbers are computed: half precision is for keeping them only.</summary>
internal static class Precision
{
    /// <summary>The smallest float32 that keeps all its digits; its reciprocal is finite.</summary>
    public const float SmallestNormal = 1.17549435e-38f;

    /// <summary>float64 for float64, float32 for everything else.</summary>
    public static ScalarType Computing(this ScalarType dtype) => dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    /// <summary>Whether numbers of this kind can be trained.</summary>
    public static bool IsTrainable(this ScalarType dtype) => dtype is ScalarType.Float64 or ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Float16;

    /// <summary>A tensor in the dtype that it is computed in: itself, where it has that already.</summary>
    public static Tensor Widened(this Tensor tensor) => tensor.dtype == tensor.dtype.Computing() ? tensor : tensor.to(tensor.dtype.Computing());
}
