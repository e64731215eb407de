using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>What a gradient is good for.</summary>
internal enum GradientVerdict { Usable, Zero, NonFinite }

/// <summary>Tells usable gradients from zero and non-finite ones by their norm.</summary>
internal static class GradientCheck
{
    /// <summary>Reads one number back from the device.</summary>
    public static GradientVerdict Judge(Tensor evidence)
    {
        using var norm = Norm(evidence);
        return Of(norm.ToSingle());
    }

    /// <summary>Reads one number per gradient back, all in one transfer.</summary>
    public static GradientVerdict[] JudgeAll(IReadOnlyList<Tensor> gradients)
    {
        using var scope = NewDisposeScope();
        var norms = stack(gradients.Select(Norm).ToArray()).cpu();
        return norms.data<float>().Select(Of).ToArray();
    }

    /// <summary>The norm of a gradient, over the whole range of its dtype.</summary>
    public static double NormOf(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var norm = gradient.Widened().norm().ToDouble();

        // Squares leave the range of float32 long before the numbers do.
        return norm is > 1e-15 and < 1e18 || gradient.dtype == ScalarType.Float64 ? norm : gradient.to(ScalarType.Float64).norm().ToDouble();
    }

    /// <summary>What the sum of two gradients is good for.</summary>
    public static GradientVerdict OfSum(GradientVerdict first, GradientVerdict second) =>
        first == GradientVerdict.NonFinite || second == GradientVerdict.NonFinite ? GradientVerdict.NonFinite
        : first == GradientVerdict.Zero ? second : GradientVerdict.Usable;

    private static Tensor Norm(Tensor evidence) => evidence.norm().to(ScalarType.Float32);

    private static GradientVerdict Of(float norm) => norm switch
    {
        0 => GradientVerdict.Zero,
        _ when float.IsFinite(norm) => GradientVerdict.Usable,
        _ => GradientVerdict.NonFinite,
    };
}
