namespace LowRankTraining.Layers;

/// <summary>What factors start with, A r × n and B m × r, for a weight of m × n.</summary>
internal abstract class FactorStart
{
    /// <value>A uniform in ±1/√n, B zero.</value>
    public static FactorStart Kaiming { get; } = new RandomStart(
        (rank, like, key) => UniformRows.Draw(rank, like.shape[1], like.dtype, like.device, key)) { IsUsual = true };

    /// <value>A normal with standard deviation 1/r, B zero.</value>
    public static FactorStart Gaussian { get; } = new RandomStart(RandomStart.Normal);

    /// <value>Whether factors are made with these values, so that nothing is left to do.</value>
    public bool IsUsual { get; protected init; }

    /// <value>Whether s B A is not zero, and so has to leave the weight.</value>
    public virtual bool ChangesBase => false;

    /// <value>Whether the start is found from a gradient of the weight, by <see cref="AdapterSession.Initialize"/>, and until then is the usual one.</value>
    public virtual bool NeedsGradient => false;

    /// <summary>The start for a name.</summary>
    public static FactorStart Of(FactorInit init, double gamma) => init switch
    {
        FactorInit.Gaussian => Gaussian,
        FactorInit.PiSSA => new DecomposingStart(DecomposingStart.Principal),
        FactorInit.OLoRA => new DecomposingStart(DecomposingStart.Orthogonal),
        FactorInit.LoRAGA => new GradientStart(gamma),
        _ => Kaiming,
    };

    /// <summary>Factors that need nothing but the weight; in float32, or float64 for a float64 weight.</summary>
    public (Tensor A, Tensor B) FromWeight(Tensor weight, long rank, double scale, ulong key)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (a, b) = Values(weight.Widened(), rank, scale, key);
        return (a.contiguous().MoveToOuterDisposeScope(), b.contiguous().MoveToOuterDisposeScope());
    }

    /// <summary>Factors for a gradient of the weight.</summary>
    public virtual (Tensor A, Tensor B) FromGradient(Tensor gradient, long rank, ulong key) =>
        throw new NotSupportedException($"{GetType().Name} needs no gradient.");

    /// <summary>Looks at a weight before anything is changed.</summary>
    /// <exception cref="ArgumentException">The factors cannot start from it.</exception>
    public virtual void Require(string name, Tensor weight) { }

    /// <summary>Looks at a weight that is to be factorized, before anything is changed.</summary>
    /// <param name="name">The weight's name.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="otherwise">What works for any weight, as an imperative.</param>
    /// <exception cref="ArgumentException">It holds NaN or infinity.</exception>
    public static void RequireFinite(string name, Tensor weight, string otherwise)
    {
        if (!LowRankFactors.AreFinite([weight]))
            throw new ArgumentException($"The weight '{name}' holds NaN or infinity: it cannot be factorized. Load a sound one, or {otherwise}. "
                + "Nothing was changed.");
    }

    protected abstract (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key);
}

/// <summary>A random, B zero.</summary>
internal sealed class RandomStart(Func<long, Tensor, ulong, Tensor> draw) : FactorStart
{
    /// <summary>Entries with standard deviation 1/r.</summary>
    public static Tensor Normal(long rank, Tensor weight, ulong key)
    {
        using var generator = new Generator(key);
        return generator.Normal([rank, weight.shape[1]], ScalarType.Float32, weight.device, 1.0 / rank).to(weight.dtype);
    }

    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key) =>
        (draw(rank, weight, key), zeros(weight.shape[0], rank, weight.dtype, weight.device));
}

/// <summary>Factors that are a part of the weight, which they leave.</summary>
/// <param name="values">A and B for a weight, a rank, a scale and a seed.</param>
internal sealed class DecomposingStart(Func<Tensor, long, double, ulong, (Tensor A, Tensor B)> values) : FactorStart
{
    public override bool ChangesBase => true;

    public override void Require(string name, Tensor weight) => RequireFinite(name, weight, $"start with {nameof(FactorInit)}.{nameof(FactorInit.Kaiming)}");

    /// <summary>PiSSA: A = √(Σ_r/s) V_rᵀ, B = U_r √(Σ_r/s).</summary>
    public static (Tensor A, Tensor B) Principal(Tensor weight, long rank, double scale, ulong key)
    {
        var (left, right) = TruncatedSvd.Balanced(weight, rank, key);
        var root = Math.Sqrt(scale);
        return (right.div_(root), left.div_(root));
    }

    /// <summary>OLoRA: B = Q_r and A = R_r of W = Q R.</summary>
    public static (Tensor A, Tensor B) Orthogonal(Tensor weight, long rank, double scale, ulong key)
    {
        var (q, r) = linalg.qr(weight);
        return (r.narrow(0, 0, rank), q.narrow(1, 0, rank));
    }

    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key)
    {
        var (a, b) = values(weight, rank, scale, key);
        return a.shape.SequenceEqual([rank, weight.shape[1]]) && b.shape.SequenceEqual([weight.shape[0], rank]) ? (a, b)
            : throw new ArgumentException($"Factors of rank {rank} for a weight of {weight.shape[0]} x {weight.shape[1]} are A, {rank} x {weight.shape[1]}, "
                + $"and B, {weight.shape[0]} x {rank}; Start has returned {string.Join(" x ", a.shape)} and {string.Join(" x ", b.shape)}. "
                + "Return these shapes.");
    }
}

/// <summary>LoRA-GA: A = V_{r..2r}ᵀ m^¼/√γ and B = U_{0..r} m^¼/√γ of the gradient's singular value decomposition.</summary>
/// <remarks>Where there are fewer than 2 r singular vectors, A takes the last r of them.</remarks>
internal sealed class GradientStart(double gamma) : FactorStart
{
    public override bool ChangesBase => true;

    public override bool NeedsGradient => true;

    public override (Tensor A, Tensor B) FromGradient(Tensor gradient, long rank, ulong key)
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

    protected override (Tensor A, Tensor B) Values(Tensor weight, long rank, double scale, ulong key) => Kaiming.FromWeight(weight, rank, scale, key);
}

/// <summary>What factors start from. Whatever that is, the layer starts as the one that it was made from.</summary>
public enum FactorInit
{
    /// <summary>A uniform in ±1/√n, B zero (loralib, PEFT).</summary>
    Kaiming,

    /// <summary>A normal with standard deviation 1/r, B zero (PEFT).</summary>
    Gaussian,

    /// <summary>The r leading singular triplets, which leave the weight: A = √(Σ_r/s) V_rᵀ, B = U_r √(Σ_r/s), W
    /// ← W − s B A. Meng et al., arXiv 2404.02948.</summary>
    PiSSA,

    /// <summary>The first r columns and rows of W = Q R: B = Q_r, A = R_r, W ← W − s B A. Büyükakyüz, arXiv 2406.01775.</summary>
    OLoRA,

    /// <summary>The leading singular vectors of the loss's gradient, so that the first step is near to that of full training; given by
    /// <see cref="AdapterSession.Initialize"/>, before which nothing can be trained. Wang, Yu and Li, arXiv 2407.05000.</summary>
    LoRAGA,
}
