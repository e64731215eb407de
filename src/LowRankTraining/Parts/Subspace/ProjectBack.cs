namespace LowRankTraining.Parts;

/// <summary>The step goes back into the subspace that it came from: the update has the rank of the subspace.</summary>
/// <remarks>U = α c P N (left), α c N Qᵀ (right) or α c P N Qᵀ (both): one product, straight into the weight.
/// Source: GaLore, arXiv 2403.03507, equation 12.</remarks>
public sealed record ProjectBack : ILift
{
    /// <value>α, a factor on the update; above 0. Default 0.25 (GaLore).</value>
    public double Scale { get; init; } = 0.25;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.Above(0, Scale);

    /// <inheritdoc/>
    public bool NeedsFullGradient => false;

    /// <inheritdoc/>
    public bool NeedsLowRankGradient => false;

    /// <inheritdoc/>
    public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state) =>
        lowRank.Projection.AddBack(accumulator, lowRank.Direction, scale * lowRank.Correction * Scale);
}
