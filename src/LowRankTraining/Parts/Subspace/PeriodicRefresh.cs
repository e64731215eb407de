namespace LowRankTraining.Parts;

/// <summary>Every T updates, all matrices in the same step: at updates 1, T + 1, 2T + 1, ...</summary>
/// <remarks>Source: GaLore, arXiv 2403.03507, algorithm 2.</remarks>
public sealed record PeriodicRefresh : IRefreshPolicy
{
    /// <value>T, in updates; at least 1. Default 200 (GaLore).</value>
    public long Every { get; init; } = 200;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.AtLeast(1, Every);

    /// <inheritdoc/>
    public bool OnlyCounts => true;

    /// <inheritdoc/>
    public bool IsDue(long completed, int index, StateBag state) => completed % Every == 0;
}
