namespace LowRankTraining.Parts;

/// <summary>Those columns of the discrete cosine transform in which the gradient is largest.</summary>
/// <remarks>
/// <para>D₍ᵢⱼ₎ = √(2/s) cos(π i (2j + 1) / 2s), row 0 times √½: orthonormal, the same for every matrix of that side. State: the rank numbers, int64. 2 l s²
/// operations a refresh, whatever the rank; a step makes its s × rank columns again.</para>
/// <para>Source: Modoranu et al., DCT-AdamW, and Trion (ISTA-DASLab); columns ranked by the norm of Aᵀ D.</para>
/// </remarks>
public sealed record DctBasis : ISelectedBasis
{
    /// <summary>Columns tried at a time: all of them would be a matrix of s × s.</summary>
    private const long Block = 64;

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        using var scope = NewDisposeScope();
        var (matrix, length) = (query.Matrix, query.Matrix.shape[0]);
        var energy = zeros(length, matrix.dtype, matrix.device);

        for (long first = 0; first < length; first += Block)
        {
            using var block = NewDisposeScope();
            var columns = arange(first, Math.Min(length, first + Block), ScalarType.Int64, matrix.device);
            energy.narrow(0, first, columns.shape[0]).copy_(Columns(columns, length, matrix.dtype).t().mm(matrix).square().sum(1L));
        }

        return energy.topk((int)query.Rank).indexes.sort().Values.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Columns(Tensor numbers, long length, ScalarType dtype)
    {
        using var scope = NewDisposeScope();

        // The angle is reduced in whole numbers first: as a product of floats it would lose what matters for long sides.
        var position = arange(length, ScalarType.Int64, numbers.device).mul_(2).add_(1).unsqueeze(1);
        var angle = (position * numbers).remainder(4 * length).to(dtype).mul_(Math.PI / (2 * length));
        var weight = where(numbers.eq(0), full_like(numbers, Math.Sqrt(1.0 / length), dtype), full_like(numbers, Math.Sqrt(2.0 / length), dtype));
        return angle.cos_().mul_(weight).MoveToOuterDisposeScope();
    }
}
