namespace LowRankTraining.Numerics;

/// <summary>Products of matrices that come out symmetric, of which one half is computed on the CPU and the other is its mirror image.</summary>
internal static class SymmetricProducts
{
    /// <summary>M Mᵀ, or MᵀM where there are more rows than columns: the smaller of both.</summary>
    public static Tensor Gram(Tensor matrix)
    {
        using var transposed = matrix.t();
        return matrix.IsTall() ? Product(transposed, matrix) : Product(matrix, transposed);
    }

    /// <summary>L R, known to be symmetric.</summary>
    public static Tensor Product(Tensor left, Tensor right)
    {
        if (BlockOf(left) is not { } block)
            return left.mm(right);

        using var scope = NewDisposeScope();
        var product = empty(left.size(0), left.size(0), left.dtype, left.device);
        ForUpperHalf(product, left, right, block, static (half, rows, columns) => half.copy_(rows.mm(columns)));
        return product.MoveToOuterDisposeScope();
    }

    /// <summary>share · S + factor · L R, where S and L R are symmetric; a new tensor.</summary>
    /// <remarks>The product's own factors are float32 in TorchSharp, so that float64 has to be scaled by itself.</remarks>
    public static Tensor Plus(Tensor addend, double share, Tensor left, Tensor right, double factor = 1)
    {
        using var scope = NewDisposeScope();
        if (addend.dtype == ScalarType.Float64)
            return Product(left, right).mul_(factor).add_(addend, share).MoveToOuterDisposeScope();
        if (BlockOf(left) is not { } block)
            return addend.addmm(left, right, beta: (float)share, alpha: (float)factor).MoveToOuterDisposeScope();

        var sum = addend.clone();
        ForUpperHalf(sum, left, right, block, (half, rows, columns) => half.addmm_(rows, columns, beta: (float)share, alpha: (float)factor));
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>Works on what lies on the diagonal and right of it, in blocks of rows, and mirrors it.</summary>
    private static void ForUpperHalf(Tensor result, Tensor left, Tensor right, long block, Action<Tensor, Tensor, Tensor> work)
    {
        var side = result.size(0);
        for (var start = 0L; start < side; start += block)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(block, side - start);
            var rows = result.narrow(0, start, count);
            work(rows.narrow(1, start, side - start), left.narrow(0, start, count), right.narrow(1, start, side - start));

            var below = side - start - count;
            if (below > 0)
                result.narrow(0, start + count, below).narrow(1, start, count).copy_(rows.narrow(1, start + count, below).t());
        }
    }

    /// <summary>Rows in a block: as few as a product of them is still quick for; null where half of the work would not be worth the calls.</summary>
    private static long? BlockOf(Tensor left)
    {
        var block = left.dtype == ScalarType.BFloat16 ? 256 : 128;
        return left.IsHere() && left.size(0) >= 2 * block ? block : null;
    }
}
