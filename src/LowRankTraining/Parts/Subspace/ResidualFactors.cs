namespace LowRankTraining.Parts;

/// <summary>How much the part of a gradient outside a subspace is scaled, from the squared norms of its vectors and of what lies inside.</summary>
internal static class ResidualFactors
{
    /// <summary>Keeps φ finite where R is zero: (1e-8)², as in the authors' code.</summary>
    private const float SmallestSquare = 1e-16f;

    /// <summary>Of what a random subspace holds of ‖Gⱼ‖², the share below which a vector is not measured.</summary>
    private const double SmallestShare = 0.01;

    /// <summary>‖Nⱼ‖ becomes 0 where the subspace holds next to nothing of a vector: N is of earlier gradients then, and no measure of this one.</summary>
    /// <param name="factor">‖Nⱼ‖, or its square.</param>
    /// <param name="inside">‖Rⱼ‖².</param>
    /// <param name="whole">‖Gⱼ‖².</param>
    /// <param name="random">r / s, the share that a random subspace holds.</param>
    public static void DropUnmeasured(Tensor factor, Tensor inside, Tensor whole, double random)
    {
        var least = SmallestShare * random;
        if (factor.TryFloats(out var n) && inside.TryFloats(out var r))
        {
            var g = whole.Floats();
            for (var j = 0; j < n.Length; j++)
                n[j] = r[j] >= (float)least * g[j] ? n[j] : 0;
            return;
        }

        using var scope = NewDisposeScope();
        factor.mul_(inside.ge(whole.mul(least)));
    }

    /// <summary>Finds φⱼ² = ‖Nⱼ‖² / ‖Rⱼ‖², and ‖S‖ for S = (G − k P R) diag(φ), whose vectors have norm² ‖Gⱼ‖² − (1 − (1 − k)²) ‖Rⱼ‖², times φⱼ².</summary>
    /// <param name="factor">‖Nⱼ‖²; becomes φⱼ².</param>
    /// <param name="inside">‖Rⱼ‖².</param>
    /// <param name="whole">‖Gⱼ‖².</param>
    /// <param name="removed">k.</param>
    /// <param name="scale">A factor on the norm.</param>
    /// <returns>scale · ‖S‖, a scalar.</returns>
    public static Tensor Find(Tensor factor, Tensor inside, Tensor whole, double removed, double scale = 1)
    {
        var share = removed * (2 - removed);
        if (factor.TryFloats(out var phi) && inside.TryFloats(out var r))
        {
            for (var j = 0; j < phi.Length; j++)
                phi[j] /= r[j] + SmallestSquare;
            return Scalar((float)Norm(phi, r, whole.Floats(), (float)share) * (float)scale);
        }

        factor.div_(inside.add(SmallestSquare));
        var norm = whole.add(inside, -share).clamp_min_(0).mul_(factor).sum().sqrt_();
        return scale == 1 ? norm : norm.mul_(scale);
    }

    /// <summary>φⱼ² becomes k φⱼ ℓ.</summary>
    /// <param name="factor">φⱼ²; becomes the result.</param>
    /// <param name="scale">k.</param>
    /// <param name="limit">ℓ, a scalar; null for 1.</param>
    public static void Finish(Tensor factor, double scale, Tensor? limit)
    {
        factor.sqrt_();
        if (factor.TryFloats(out var phi))
        {
            var (k, l) = ((float)scale, limit is null ? 1 : limit.Floats()[0]);
            for (var j = 0; j < phi.Length; j++)
                phi[j] = phi[j] * k * l;
            return;
        }

        if (scale != 1)
            factor.mul_(scale);
        if (limit is not null)
            factor.mul_(limit);
    }

    /// <summary>‖S‖.</summary>
    private static double Norm(ReadOnlySpan<float> phi, ReadOnlySpan<float> r, ReadOnlySpan<float> g, float share)
    {
        double sum = 0;
        for (var j = 0; j < phi.Length; j++)
            sum += (double)Math.Max(g[j] - share * r[j], 0) * phi[j];
        return Math.Sqrt(sum);
    }

    private static Tensor Scalar(float number)
    {
        var scalar = empty(Array.Empty<long>(), ScalarType.Float32, CPU);
        scalar.Floats()[0] = number;
        return scalar;
    }
}
