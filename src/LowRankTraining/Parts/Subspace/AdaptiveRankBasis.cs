namespace LowRankTraining.Parts;

/// <summary>The smallest subspace that captures a given share of the gradient's energy.</summary>
/// <remarks>
/// <para>Blocks of b random probes, each orthogonal to what has been found: Y = (A − P Pᵀ A) Ω, orthonormalized, and once more A Aᵀ Y; the energy
/// outside, ‖A‖² − Σ ‖PᵢᵀA‖², needs no residual matrix. It stops below η ‖A‖² or at the largest rank. An eigendecomposition inside the range then cuts to the
/// smallest sufficient rank, rounded up to a multiple.</para>
/// <para>The rank in use is kept unless the new one differs by more than an eighth of it, so that moments are not resized for nothing.</para>
/// <para>8 s l r operations and one read from the device per block. Source: Refael et al., AdaRankGrad, arXiv 2410.17881, algorithm 1; blocks after Halko,
/// Martinsson and Tropp (2011), algorithm 4.2.</para>
/// </remarks>
public sealed record AdaptiveRankBasis : IBasis
{
    /// <value>η, the largest share of the energy that may stay outside, in (0, 1). Default 0.3: ours, the paper's is not known.</value>
    public double Outside { get; init; } = 0.3;

    /// <value>Smallest rank, at least 1. Default 8.</value>
    public int MinRank { get; init; } = 8;

    /// <value>Ranks are multiples of this, at least 1. Default 8.</value>
    public int Multiple { get; init; } = 8;

    /// <value>Probes a block, at least 1. Default 32.</value>
    public int Block { get; init; } = 32;

    /// <value>Share by which the rank has to change before it does, at least 0. Default 0.125.</value>
    public double Hysteresis { get; init; } = 0.125;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Share(Outside)
        .AtLeast(1, MinRank)
        .AtLeast(1, Multiple)
        .AtLeast(1, Block)
        .AtLeast(0, Hysteresis);

    /// <inheritdoc/>
    public bool IsAdaptive => true;

    /// <inheritdoc/>
    public double? CapturedShare => 1 - Outside;

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        using var scope = NewDisposeScope();
        var total = query.Matrix.square().sum().ToDouble();
        var range = Range(query, total);

        var inside = range.t().mm(query.Matrix);
        var (energies, vectors) = SymmetricEigen.Of(inside.mm(inside.t()));
        var rank = RankFor(energies.flip(0), total, query);

        var leading = vectors.narrow(1, vectors.shape[1] - rank, rank).flip(1);
        return Orthonormal.WithCanonicalSigns(range.mm(leading)).MoveToOuterDisposeScope();
    }

    private Tensor Range(in SubspaceQuery query, double total)
    {
        var matrix = query.Matrix;
        using var generator = query.Step.Generator("probes");
        Tensor? range = null;

        var least = Least(query);
        for (var (outside, width) = (total, 0L); width < least || (width < query.Rank && outside > Outside * total);)
        {
            var probes = Math.Min(Block, query.Rank - width);
            var block = matrix.mm(generator.Normal([matrix.shape[1], probes], matrix.dtype, matrix.device));
            block = Orthonormal.Columns(Outer(range, block));

            // A power pass: without it a block of a flat spectrum holds much less than the best one, and the rank comes out too high.
            block = Orthonormal.Columns(Outer(range, matrix.mm(matrix.t().mm(block))));

            // Again: what is left of the old directions after one pass would grow when the block is normalized.
            block = Orthonormal.Columns(Outer(range, block));
            outside -= block.t().mm(matrix).square().sum().ToDouble();
            range = range is null ? block : cat([range, block], 1);
            width += probes;
        }

        return range!;
    }

    private long Least(in SubspaceQuery query) => Math.Min(MinRank, query.Rank);

    private static Tensor Outer(Tensor? range, Tensor block) => range is null ? block : block - range.mm(range.t().mm(block));

    private long RankFor(Tensor energies, double total, in SubspaceQuery query)
    {
        var captured = energies.cumsum(0);
        var below = captured.lt((1 - Outside) * total).sum().ToInt64();
        var wanted = Math.Clamp((below + 1 + Multiple - 1) / Multiple * Multiple, Least(query), Math.Min(query.Rank, energies.shape[0]));

        var current = query.Previous?.shape[1] ?? wanted;
        return Math.Abs(wanted - current) <= Hysteresis * current && current <= energies.shape[0] ? current : wanted;
    }
}
