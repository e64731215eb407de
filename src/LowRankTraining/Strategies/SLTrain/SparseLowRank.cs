namespace LowRankTraining.Strategies;

/// <summary>The parts of a weight W = s B A + S.</summary>
/// <param name="A">r × n.</param>
/// <param name="B">m × r.</param>
/// <param name="Values">The entries of S that are not zero, in the order of their numbers.</param>
internal readonly record struct SparseLowRankParts(Tensor A, Tensor B, Tensor Values);

/// <summary>The algebra of a weight that is nothing but low-rank factors and a sparse part: W = s B A + S.</summary>
internal static class SparseLowRank
{
    /// <summary>Numbers that are widened at once: 2 MiB of scratch.</summary>
    private const long WidenedAtOnce = 1 << 18;

    /// <summary>W in one buffer: S is scattered into it, and the product added by the multiplication itself, so
    /// that a half-precision entry is rounded once.</summary>
    public static Tensor Weight(in SparseLowRankParts parts, Tensor indices, double scale)
    {
        using var scope = NewDisposeScope();
        var (a, b, values) = parts;
        var weight = zeros(b.shape[0], a.shape[1], b.dtype, b.device);
        AddOnSupport(weight, indices, values);

        // The factor of a fused product is a float32, which a float64 weight would notice.
        if (weight.dtype == ScalarType.Float64)
            weight.addmm_(b, a.mul(scale));
        else
            weight.addmm_(b, a, beta: 1, alpha: (float)scale);
        return weight.MoveToOuterDisposeScope();
    }

    /// <summary>∂A = s Bᵀ G.</summary>
    public static Tensor GradientOfA(Tensor gradient, Tensor b, double scale)
    {
        using var transposed = b.t();
        return transposed.mm(gradient).mul_(scale);
    }

    /// <summary>∂B = s G Aᵀ.</summary>
    public static Tensor GradientOfB(Tensor gradient, Tensor a, double scale)
    {
        using var transposed = a.t();
        return gradient.mm(transposed).mul_(scale);
    }

    /// <summary>Adds values to the entries of a contiguous tensor that the support numbers.</summary>
    /// <remarks>Adding goes by numbers of 64 bits only, so shorter ones are widened block by block. No entry is
    /// numbered twice, so the blocks change no bit.</remarks>
    public static void AddOnSupport(Tensor tensor, Tensor indices, Tensor values)
    {
        using var entries = tensor.view(-1);
        for (long start = 0, count = indices.shape[0]; start < count; start += WidenedAtOnce)
        {
            using var scope = NewDisposeScope();
            var length = Math.Min(WidenedAtOnce, count - start);
            entries.index_add_(0, indices.narrow(0, start, length).to(ScalarType.Int64), values.narrow(0, start, length), 1);
        }
    }

    /// <summary>The entries of a matrix on the support: of G it is ∂v.</summary>
    public static Tensor OnSupport(Tensor matrix, Tensor indices)
    {
        using var entries = matrix.reshape(-1);
        return entries.index_select(0, indices);
    }
}
