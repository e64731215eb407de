using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>The values that factors start with, A r × n and B m × r, for a weight of m × n.</summary>
internal static class FactorStart
{
    /// <summary>Whether s B A is not zero, and so has to leave the weight.</summary>
    public static bool ChangesBase(this FactorInit init) => init is FactorInit.PiSSA or FactorInit.OLoRA or FactorInit.LoRAGA;

    /// <summary>Whether the factors' start is a decomposition of the weight.</summary>
    public static bool Decomposes(this FactorInit init) => init is FactorInit.PiSSA or FactorInit.OLoRA;

    /// <summary>Looks at a weight that is to be factorized, before anything is changed.</summary>
    /// <param name="name">The weight's name.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="otherwise">What works for any weight, as an imperative.</param>
    /// <exception cref="ArgumentException">It holds NaN or infinity.</exception>
    public static void RequireFinite(string name, Tensor weight, string otherwise)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        if (!weight.isfinite().all().ToBoolean())
            throw new ArgumentException($"The weight '{name}' holds NaN or infinity: it cannot be factorized. Load a sound one, or {otherwise}. "
                + "Nothing was changed.");
    }

    /// <summary>Factors that need nothing but the weight; in float32, or float64 for a float64 weight.</summary>
    public static (Tensor A, Tensor B) FromWeight(FactorInit init, Tensor weight, long rank, double scale, ulong key)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var precise = weight.Widened();
        var (a, b) = init switch
        {
            FactorInit.Gaussian => (Gaussian(precise, rank, key), Zeros(precise, rank)),
            FactorInit.PiSSA => Principal(precise, rank, scale, key),
            FactorInit.OLoRA => Orthogonal(precise, rank),
            _ => (LowRankFactors.Draw(rank, precise.shape[1], precise.dtype, precise.device, key), Zeros(precise, rank)),
        };
        return (a.contiguous().MoveToOuterDisposeScope(), b.contiguous().MoveToOuterDisposeScope());
    }

    /// <summary>A = V_{r..2r}ᵀ m^¼/√γ and B = U_{0..r} m^¼/√γ of the gradient's SVD. Where there are fewer than 2 r
    /// singular vectors, A takes the last r of them.</summary>
    public static (Tensor A, Tensor B) FromGradient(Tensor gradient, long rank, double gamma, ulong key)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var limit = Math.Min(gradient.shape[0], gradient.shape[1]);
        var (left, _, right) = TruncatedSvd.Of(gradient, Math.Min(2 * rank, limit), key);
        var size = Math.Pow(gradient.shape[0], 0.25) / Math.Sqrt(gamma);
        var a = right.narrow(0, Math.Min(rank, limit - rank), rank).mul(size);
        var b = left.narrow(1, 0, rank).mul(size);
        return (a.MoveToOuterDisposeScope(), b.MoveToOuterDisposeScope());
    }

    private static Tensor Gaussian(Tensor weight, long rank, ulong key)
    {
        using var generator = new Generator(key, weight.device);
        return empty(rank, weight.shape[1], ScalarType.Float32, weight.device).normal_(0, 1.0 / rank, generator).to(weight.dtype);
    }

    private static (Tensor, Tensor) Principal(Tensor weight, long rank, double scale, ulong key)
    {
        var (left, right) = TruncatedSvd.Balanced(weight, rank, key);
        var root = Math.Sqrt(scale);
        return (right.div_(root), left.div_(root));
    }

    private static (Tensor, Tensor) Orthogonal(Tensor weight, long rank)
    {
        var (q, r) = linalg.qr(weight);
        return (r.narrow(0, 0, rank), q.narrow(1, 0, rank));
    }

    private static Tensor Zeros(Tensor weight, long rank) => zeros(weight.shape[0], rank, weight.dtype, weight.device);
}
