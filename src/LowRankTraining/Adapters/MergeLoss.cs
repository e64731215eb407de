using LowRankTraining.Numerics;
using LowRankTraining.Subspace;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>What a merge loses to rounding, and factors that carry it.</summary>
/// <remarks>Source: Li et al., LoftQ, arXiv 2310.08659; Loeschcke et al., LoQT, arXiv 2405.16528.</remarks>
internal static class MergeLoss
{
    private const int Oversampling = 8, PowerIterations = 2;

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

    /// <summary>s B A ← the best approximation of <paramref name="loss"/> that the rank allows: B = U √(Σ/s), A = √(Σ/s) Vᵀ. Directions in which nothing was lost stay as they are.</summary>
    public static void Carry(Parameter a, Parameter b, Tensor loss, double scale, ulong key)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (left, values, right) = Leading(loss, a.shape[0], key);
        var carried = values > values.max().mul(Negligible);
        var root = values.div(scale).sqrt_();

        a.copy_(where(carried.unsqueeze(1), right.mul_(root.unsqueeze(1)), a.to(ScalarType.Float32)));
        b.copy_(where(carried, left.mul_(root), b.to(ScalarType.Float32)));
    }

    /// <summary>The leading singular triples U m × r, σ, Vᵀ r × n, from a random sketch and two passes of power iteration; exactly where the sketch would be as wide as the matrix.</summary>
    /// <remarks>Source: Halko, Martinsson and Tropp, SIAM Review 53 (2011), algorithms 4.4 and 5.1.</remarks>
    private static (Tensor Left, Tensor Values, Tensor Right) Leading(Tensor matrix, long rank, ulong key)
    {
        using var scope = NewDisposeScope();
        var width = rank + Oversampling;
        if (width >= matrix.shape.Min())
            return Cut(linalg.svd(matrix, fullMatrices: false));

        var range = Range(Sketch(matrix, width, key));
        for (var pass = 0; pass < PowerIterations; pass++)
        {
            using var before = range;
            range = Range(SubspaceIteration.Pass(matrix, before));
        }

        var (inner, values, right) = linalg.svd(range.t().mm(matrix), fullMatrices: false);
        return Cut((range.mm(inner), values, right));

        (Tensor, Tensor, Tensor) Cut((Tensor U, Tensor S, Tensor Vh) all) =>
            (all.U.narrow(1, 0, rank).MoveToOuterDisposeScope(), all.S.narrow(0, 0, rank).MoveToOuterDisposeScope(), all.Vh.narrow(0, 0, rank).MoveToOuterDisposeScope());
    }

    private static Tensor Sketch(Tensor matrix, long width, ulong key)
    {
        using var generator = new Generator(key, matrix.device);
        using var omega = randn(matrix.shape[1], width, matrix.dtype, matrix.device, generator: generator);
        return matrix.mm(omega);
    }

    private static Tensor Range(Tensor columns)
    {
        using (columns)
            return Orthonormal.Columns(columns);
    }
}
