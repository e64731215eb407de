namespace LowRankTraining.Parts;

/// <summary>Rows of A themselves: the subspace is a set of coordinates, and projecting is picking.</summary>
/// <remarks>State: the rank numbers, int64. No product is needed in either direction. Source: FRUGAL, arXiv 2411.07837, "columns" and "rows"; SPAM's sparse
/// momentum, arXiv 2501.06842, by rows.</remarks>
public sealed record CoordinateBasis : ISelectedBasis
{
    /// <value>Which coordinates. Default: at random.</value>
    public CoordinateChoice Choice { get; init; } = CoordinateChoice.Random;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.Defined(Choice);

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        using var scope = NewDisposeScope();
        var chosen = Weights(query).topk((int)query.Rank).indexes;
        return chosen.sort().Values.MoveToOuterDisposeScope();
    }

    private Tensor Weights(in SubspaceQuery query)
    {
        if (Choice == CoordinateChoice.LargestNorm)
            return query.Matrix.square().sum(1L);

        using var generator = query.Step.Generator("coordinates", query.Matrix.device);
        return rand(query.Matrix.shape[0], ScalarType.Float32, query.Matrix.device, generator: generator);
    }
}

/// <summary>How coordinates are chosen.</summary>
public enum CoordinateChoice
{
    /// <summary>Uniformly at random.</summary>
    Random,

    /// <summary>Those in which the gradient is largest.</summary>
    LargestNorm,
}
