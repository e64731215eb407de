namespace LowRankTraining.Parts;

/// <summary>The first subspace stays, or is moved by a <see cref="ISubspaceDrift"/>.</summary>
public sealed record NeverRefresh : IRefreshPolicy
{
    /// <inheritdoc/>
    public bool IsNeverDue => true;

    /// <inheritdoc/>
    public bool OnlyCounts => true;

    /// <inheritdoc/>
    public bool IsDue(long completed, int index, StateBag state) => false;
}
