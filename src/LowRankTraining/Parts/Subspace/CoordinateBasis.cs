namespace LowRankTraining.Parts;

/// <summary>Rows of A themselves: the subspace is a set of coordinates, and projecting is picking.</summary>
/// <remarks>State: the rank numbers, int64. No product is needed in either direction. Source: FRUGAL, arXiv 2411.07837, "columns" and "rows"; SPAM's sparse
/// momentum, arXiv 2501.06842, by rows.</remarks>
public sealed record CoordinateBasis : ISelectedBasis
{
    /// <value>Whether they are those in which the gradient is largest. Default false: uniformly at random.</value>
    public bool TakesLargest { get; init; }

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        using var scope = NewDisposeScope();
        var chosen = Weights(query).topk((int)query.Rank).indexes;
        return chosen.sort().Values.MoveToOuterDisposeScope();
    }

    private Tensor Weights(in SubspaceQuery query) => TakesLargest
        ? query.Matrix.square().sum(1L)
        : query.Step.Uniform("coordinates", [query.Matrix.shape[0]], ScalarType.Float32, query.Matrix.device);
}
