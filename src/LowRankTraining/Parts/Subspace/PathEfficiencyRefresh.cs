namespace LowRankTraining.Parts;

/// <summary>A new subspace when the gradients inside the one in use have come to cancel each other out.</summary>
/// <remarks>
/// <para>With unit gradients r = R / ‖R‖ since the last refresh: due when ‖Σ r‖ / Σ ‖r‖ falls below γ, looked at every so many updates.</para>
/// <para>State: <c>refresh_path</c>, in the low-rank gradient's shape: as much as one moment more.</para>
/// <para>Source: Lotus, arXiv 2602.01233.</para>
/// </remarks>
public sealed record PathEfficiencyRefresh : IRefreshPolicy
{
    private static readonly StateSlot Path = new("refresh_path"), Since = new("refresh_since"), Wanted = new("refresh_wanted");

    /// <value>γ, in (0, 1). Default 0.01 (Lotus).</value>
    public double Least { get; init; } = 0.01;

    /// <value>Updates between two looks, at least 1. Default 50 (Lotus).</value>
    public long LookEvery { get; init; } = 50;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Share(Least)
        .AtLeast(1, LookEvery);

    /// <inheritdoc/>
    public bool IsDue(long completed, int index, StateBag state) => state.Counter(Wanted) != 0;

    /// <inheritdoc/>
    public void Observe(Tensor lowRank, Tensor? share, long completed, StateBag state)
    {
        using var scope = NewDisposeScope();
        state.Add(Path, lowRank / lowRank.norm().clamp_min_(1e-30));

        var count = completed + 1 - state.Counter(Since);
        if (count % LookEvery == 0)
            state.SetCounter(Wanted, state[Path].norm().ToDouble() < Least * count ? 1 : 0);
    }

    /// <inheritdoc/>
    public void Renewed(in SubspaceChange change, long completed)
    {
        change.State.Remove(Path);
        change.State.SetCounter(Since, completed);
        change.State.SetCounter(Wanted, 0);
    }

    /// <inheritdoc/>
    public IEnumerable<StateSlot> SlotsFor(long lowRankElements) => [Path.Of(lowRankElements), Since, Wanted];
}
