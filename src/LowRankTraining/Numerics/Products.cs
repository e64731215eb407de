namespace LowRankTraining.Numerics;

/// <summary>Products of matrices that are added to another.</summary>
internal static class Products
{
    /// <summary>target += scale · L R, with no temporary of the target's size.</summary>
    /// <remarks>The product's own factor is a float32 in TorchSharp, which is the whole precision of a float32 target. For a float64 one the smaller of L and
    /// R takes the scale.</remarks>
    public static void AddProduct(this Tensor target, Tensor left, Tensor right, double scale)
    {
        if (target.dtype != ScalarType.Float64 || scale == (float)scale)
        {
            target.addmm_(left, right, beta: 1, alpha: (float)scale);
            return;
        }

        var scalesLeft = left.numel() < right.numel();
        using var scaled = (scalesLeft ? left : right).mul(scale);
        target.addmm_(scalesLeft ? scaled : left, scalesLeft ? right : scaled);
    }
}
