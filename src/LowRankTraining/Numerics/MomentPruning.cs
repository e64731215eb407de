namespace LowRankTraining.Numerics;

/// <summary>Chooses which entries of an optimizer's memory survive when most of it is to be cleared.</summary>
/// <remarks>Source: Lialin et al., ReLoRA, arXiv 2307.05695, section 3, and the authors' code.</remarks>
internal static class MomentPruning
{
    /// <summary>True where |x| is strictly above the <paramref name="ratio"/>-quantile of |x|.</summary>
    /// <param name="x">Any shape; at least one entry.</param>
    /// <param name="ratio">Share to be pruned, in [0, 1].</param>
    /// <returns>A mask in the shape of <paramref name="x"/>. Where many entries share the threshold's magnitude none of
    /// them survives; of a constant tensor nothing does.</returns>
    public static Tensor MagnitudeMask(Tensor x, double ratio)
    {
        using var scope = NewDisposeScope();
        var magnitude = x.abs();
        return magnitude.gt(Quantile(magnitude.reshape(-1), ratio)).MoveToOuterDisposeScope();
    }

    /// <summary>True with probability 1 − <paramref name="ratio"/>, independently for each entry.</summary>
    /// <param name="x">Gives shape and device.</param>
    /// <param name="ratio">Share to be pruned, in [0, 1].</param>
    /// <param name="generator">Draws the mask.</param>
    public static Tensor RandomMask(Tensor x, double ratio, Generator generator)
    {
        using var scope = NewDisposeScope();
        return generator.Uniform(x.shape, ScalarType.Float32, x.device).ge(ratio).MoveToOuterDisposeScope();
    }

    /// <summary>The <paramref name="share"/>-quantile of a vector, interpolated between its neighbors.</summary>
    /// <remarks>By selection instead of sorting, so that there is no limit on the length: libtorch's quantile refuses more than 2²⁴ entries.</remarks>
    public static Tensor Quantile(Tensor values, double share)
    {
        using var scope = NewDisposeScope();
        var position = share * (values.numel() - 1);
        var below = (long)Math.Floor(position);

        var lower = Smallest(values, below);
        if (position == below)
            return lower.MoveToOuterDisposeScope();

        var upper = Smallest(values, below + 1);
        return lower.add((upper - lower).mul_(position - below)).MoveToOuterDisposeScope();
    }

    private static Tensor Smallest(Tensor values, long index) => values.kthvalue(index + 1, 0).values;
}
