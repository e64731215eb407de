namespace LowRankTraining.Layers;

/// <summary>How a merged weight is rounded to the format that it is kept in. A float32 or float64 weight takes the sum as it is.</summary>
public enum MergeRounding
{
    /// <summary>To one of the two neighbors, at random, so that the expected value is exact: no change is too small to survive.</summary>
    Stochastic,

    /// <summary>To the nearest, and what that loses starts the next factors: B and A are the leading singular vectors of the loss instead of zero and random.
    /// The model computes what it computed before but for the part of the loss above the rank.</summary>
    CarryResidual,

    /// <summary>To the nearest, and the rest is lost. A weight that sits on its code points then ignores every
    /// change below half a step, which is most of them.</summary>
    Nearest,
}

/// <summary>What a merge loses to rounding, and factors that carry it.</summary>
/// <remarks>Source: Li et al., LoftQ, arXiv 2310.08659; Loeschcke et al., LoQT, arXiv 2405.16528.</remarks>
internal static class MergeLoss
{
    /// <summary>Below this share of the largest singular value there is nothing to carry.</summary>
    private const double Negligible = 1e-6;

    /// <summary>W ← the nearest to W + s B A.</summary>
    /// <returns>W + s B A − W in float32, or null where nothing is rounded.</returns>
    public static Tensor? OfMerge(Tensor weight, Tensor a, Tensor b, double scale)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        if (weight.dtype is ScalarType.Float32 or ScalarType.Float64)
        {
            LowRankFactors.MergeInto(weight, a, b, scale, rounding: null);
            return null;
        }

        var sum = LowRankFactors.Effective(weight, a, b, scale);
        weight.copy_(sum);
        return sum.sub_(weight).MoveToOuterDisposeScope();
    }

    /// <summary>s B A ← the best approximation of <paramref name="loss"/> that the rank allows: B = U √(Σ/s), A = √(Σ/s) Vᵀ. Directions in which nothing was
    /// lost stay as they are.</summary>
    public static void Carry(Parameter a, Parameter b, Tensor loss, double scale, ulong key)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (left, values, right) = TruncatedSvd.Of(loss, a.shape[0], key, TruncatedSvd.Quick);
        var carried = values > values.max().mul(Negligible);
        var root = values.div(scale).sqrt_();

        a.copy_(where(carried.unsqueeze(1), right.mul_(root.unsqueeze(1)), a.to(ScalarType.Float32)));
        b.copy_(where(carried, left.mul_(root), b.to(ScalarType.Float32)));
    }
}
