namespace LowRankTraining.Parts;

/// <summary>Looks for the subspace of what the first moment holds together with the gradient, instead of one noisy gradient alone.</summary>
/// <remarks>B = ρ P M̂ + (1 − ρ) G, with M̂ the bias-corrected first moment in the subspace P in use. Scratch: one matrix.
/// Source: Robert et al., LDAdam, arXiv 2410.16103, section 3.</remarks>
public sealed record MomentumMix : IBasis
{
    /// <value>ρ, the share of the first moment, in [0, 1). Default 0.908 (LDAdam: its β₁).</value>
    public double Share { get; init; } = 0.908;

    /// <value>How the subspace of B is found. Default: one warm-started pass.</value>
    public IBasis Of { get; init; } = new WarmStartedBasis();

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.Fraction(Share).GoesOnFrom(this, Of);

    /// <inheritdoc/>
    public bool IsOrthonormal => Of is not { IsOrthonormal: false };

    /// <inheritdoc/>
    public bool IsAdaptive => Of is { IsAdaptive: true };

    /// <inheritdoc/>
    public double? CapturedShare => Of?.CapturedShare;

    /// <inheritdoc/>
    public IBasis? Within => Of;

    /// <inheritdoc/>
    long? IBasis.NumbersSeen(long length, long width, long rank, long? previousRank) => Of.NumbersSeen(length, width, rank, previousRank);

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        if (query.Previous is not { } previous || query.Momentum is not { } momentum)
            return Of.Find(query);

        using var scope = NewDisposeScope();
        if (query.Sum is { } sum)
            return Of.Find(query with { Sum = new MixedOperator(sum, 1 - Share, previous.mm(momentum()).mul_(Share)) }).MoveToOuterDisposeScope();

        var mixed = query.Matrix.mul(1 - Share);
        mixed.AddProduct(previous, momentum(), Share);
        return Of.Find(query with { Matrix = mixed }).MoveToOuterDisposeScope();
    }
}
