namespace LowRankTraining.Parts;

/// <summary>A matrix whose vectors along the side that is not compressed are scaled one by one.</summary>
internal static class ScaledVectors
{
    /// <summary>From so many numbers on the memory is the limit, and libtorch's threads get more out of it than one.</summary>
    private const int Large = 1 << 16;

    /// <summary>target += scale · source, each row or column times its own factor.</summary>
    /// <param name="target">rows × columns.</param>
    /// <param name="source">In the same shape.</param>
    /// <param name="factors">rows × 1, 1 × columns, or one for all.</param>
    /// <param name="scale">A factor on everything.</param>
    /// <returns><paramref name="target"/>.</returns>
    public static Tensor Add(Tensor target, Tensor source, Tensor factors, double scale)
    {
        if (!target.TryFloats(out var to) || to.Length >= Large || !source.TryFloats(out var from) || !factors.TryFloats(out var each))
            return target.addcmul_(source, factors, scale);

        if (each.Length == 1)
            SpanScaling.Add(to, from, each[0] * (float)scale);
        else if (factors.size(0) == 1)
            SpanScaling.AddColumns(to, from, each, (float)scale);
        else
            SpanScaling.AddRows(to, from, each, (float)scale);
        return target;
    }
}
