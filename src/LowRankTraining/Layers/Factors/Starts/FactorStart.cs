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
