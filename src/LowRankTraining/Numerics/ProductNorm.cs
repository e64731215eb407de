namespace LowRankTraining.Numerics;

/// <summary>‖δᵀx‖ of two matrices with N rows each, whose product is larger than they are.</summary>
/// <remarks>‖δᵀx‖² = ⟨δδᵀ, xxᵀ⟩: 2 N² (m + n) operations and 2 N² numbers. For many rows that is more than the product itself, 2 N m n, which is then formed a
/// few of its rows at a time. Squares are added up in float64: the sum over pairs of rows can be much smaller than its terms.</remarks>
internal static class ProductNorm
{
    /// <summary>Rows of the product that are formed at a time.</summary>
    private const long Band = 128;

    /// <param name="delta">δ, N × m.</param>
    /// <param name="input">x, N × n.</param>
    /// <returns>A scalar in the factors' dtype.</returns>
    public static Tensor Of(Tensor delta, Tensor input)
    {
        using var scope = NewDisposeScope();
        var (count, rows, columns) = (delta.size(0), delta.size(1), input.size(1));
        var square = count * (rows + columns) < rows * columns ? ByPairs(delta, input) : ByBands(delta, input);
        return square.clamp_min_(0).sqrt_().to(delta.dtype).MoveToOuterDisposeScope();
    }

    private static Tensor ByPairs(Tensor delta, Tensor input)
    {
        var pairs = delta.mm(delta.t()).mul_(input.mm(input.t()));
        return pairs.sum(ScalarType.Float64);
    }

    private static Tensor ByBands(Tensor delta, Tensor input)
    {
        var sum = zeros([], ScalarType.Float64, delta.device);
        for (var first = 0L; first < delta.size(1); first += Band)
        {
            using var scope = NewDisposeScope();
            var band = delta.narrow(1, first, Math.Min(Band, delta.size(1) - first)).t().mm(input);
            sum.add_(band.mul_(band).sum(ScalarType.Float64));
        }

        return sum;
    }
}
