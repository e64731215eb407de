namespace LowRankTraining.Parts;

/// <summary>Every T updates, but each matrix at its own phase, so that no step stalls for all of them.</summary>
/// <remarks>The phase is ⌊T · frac(index · 0.618…)⌋, which spreads any number of matrices evenly. The first interval is shorter by the phase.</remarks>
public sealed record StaggeredRefresh : IRefreshPolicy
{
    private const double GoldenRatio = 0.6180339887498949;

    /// <value>T, in updates; at least 1. Default 200 (GaLore).</value>
    public long Every { get; init; } = 200;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.AtLeast(1, Every);

    /// <inheritdoc/>
    public bool OnlyCounts => true;

    /// <inheritdoc/>
    public bool IsDue(long completed, int index, StateBag state) => (completed + Phase(index)) % Every == 0;

    private long Phase(int index) => (long)(Every * (index * GoldenRatio % 1));
}
