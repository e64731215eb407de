namespace LowRankTraining.Layers;

/// <summary>What is trained beside one weight: A, r × n, and B, m × r, whose product is scaled by s.</summary>
internal sealed record FactorSet(string Weight, Tensor A, Tensor B, double Scale)
{
    /// <value>Finds what A is when training ends: pruned, where that is due; null for A itself. In the dispose scope of the caller.</value>
    public Func<Tensor?> FinalA { get; init; } = () => null;

    /// <value>What is trained beside A and B, by the names in the layer.</value>
    public IReadOnlyList<(string Name, Parameter Parameter)> Extra { get; init; } = [];

    /// <value>Whether the factors are optimizer state, and their product is in the weight.</value>
    public bool IsShadowed { get; init; }

    /// <value>Puts others in the place of A and B that are optimizer state; null where there is no optimizer yet, and where they are parameters.</value>
    public Action<Tensor, Tensor>? Put { get; init; }

    /// <value>Whether the factors' start has left the weight.</value>
    public bool LeavesBase { get; init; }

    /// <value>What has left the weight at the start, or null: nothing has, or a checkpoint has brought the rest of the weight without it.</value>
    public InitialFactors? Initial { get; init; }

    /// <value>The frozen weight itself.</value>
    public required Parameter Base { get; init; }

    /// <value>Whether the weight has given its memory back, and only its codes are left.</value>
    public bool IsQuantized => Base.NumberOfElements == 0;

    public string Module => NamePattern.ModuleOf(Weight);

    public long Rank => A.shape[0];

    /// <value>Whether no product of factors has a higher rank.</value>
    public bool HasFullRank => Rank == Math.Min(A.shape[1], B.shape[0]);
}
