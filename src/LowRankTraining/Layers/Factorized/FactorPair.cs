namespace LowRankTraining.Layers;

/// <summary>Two factors of a matrix: U, m × k, and V, k × n.</summary>
internal readonly record struct FactorPair(Tensor U, Tensor V)
{
    /// <summary>U = U_k √Σ_k and V = √Σ_k V_kᵀ of the singular value decomposition: the approximation of rank k (the best one for a matrix of up to 256 rows or
    /// columns, by a sketch of eight passes for a large one), in balanced factors. Computed in float32 at least, and rounded once.</summary>
    public static FactorPair OfSvd(Tensor weight, long rank, ulong key)
    {
        using var scope = NewDisposeScope();
        var (u, v) = TruncatedSvd.Balanced(weight.detach(), rank, key);
        return Kept(u, v, weight.dtype);
    }

    /// <summary>Both normal with the standard deviation k^(−¼) (m + n)^(−¼), so that entries of the product have the
    /// variance 1 / (m + n). CoLA, arXiv 2502.10940.</summary>
    public static FactorPair Gaussian(long rows, long columns, long rank, ScalarType dtype, Device device, ulong key)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(key);
        var deviation = Math.Pow((double)rank * (rows + columns), -0.25);
        var both = generator.Normal([rank, rows + columns], ScalarType.Float32, device).mul_(deviation);
        return Kept(both.narrow(1, 0, rows).t(), both.narrow(1, rows, columns), dtype);
    }

    /// <summary>Such factors for a weight, of which only shape, dtype and device count.</summary>
    public static FactorPair Gaussian(Tensor weight, long rank, ulong key) =>
        Gaussian(weight.shape[0], weight.shape[1], rank, weight.dtype, weight.device, key);

    /// <summary>Both uniform within one over the root of what they sum over, U as if it had as many columns as it can come to have. InRank's code.</summary>
    public static FactorPair Kaiming(Tensor weight, long rank, long maxRank, double scale, ulong key)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(key);
        var (rows, columns) = (weight.shape[0], weight.shape[1]);
        var (v, u) = (Uniform(rank, columns, columns, weight.device, generator), Uniform(rows, rank, maxRank, weight.device, generator));
        return Kept(Scaled(u), Scaled(v), weight.dtype);

        Tensor Scaled(Tensor drawn) => drawn.to(weight.dtype.Computing()).mul_(scale);
    }

    /// <summary>The same V, and zeros for U: their product is nothing yet.</summary>
    public static FactorPair Nothing(Tensor weight, long rank, ulong key) =>
        Nothing(weight.shape[0], weight.shape[1], rank, weight.dtype, weight.device, key);

    /// <inheritdoc cref="Nothing(Tensor, long, ulong)"/>
    public static FactorPair Nothing(long rows, long columns, long rank, ScalarType dtype, Device device, ulong key)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(key);
        return Kept(zeros(rows, rank, ScalarType.Float32, device), Uniform(rank, columns, columns, device, generator), dtype);
    }

    private static Tensor Uniform(long rows, long columns, long fanIn, Device device, Generator generator)
    {
        var bound = 1 / Math.Sqrt(fanIn);
        return generator.Uniform([rows, columns], ScalarType.Float32, device, -bound, bound);
    }

    private static FactorPair Kept(Tensor u, Tensor v, ScalarType dtype) =>
        new(u.to(dtype).contiguous().MoveToOuterDisposeScope(), v.to(dtype).contiguous().MoveToOuterDisposeScope());
}
