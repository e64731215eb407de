namespace LowRankTraining.Parts;

/// <summary>A new subspace when the one in use no longer captures enough of the gradient.</summary>
/// <remarks>
/// <para>Due when ‖R‖² &lt; η ‖G‖², looked at every so many updates, and not before a least number of updates; in any case after a largest number.</para>
/// <para>State: counters only. One read from the device whenever it looks.</para>
/// <para>Source: the convergence test of AdaRankGrad, arXiv 2410.17881, block 2, in a form that has no scale; the numbers are ours.</para>
/// </remarks>
public sealed record EnergyRefresh : IRefreshPolicy
{
    private static readonly StateSlot Since = new("refresh_since"), Wanted = new("refresh_wanted");

    /// <value>η, the least share of the energy, in (0, 1). Default 0.35.</value>
    public double Least { get; init; } = 0.35;

    /// <value>Updates between two looks, at least 1. Default 10.</value>
    public long LookEvery { get; init; } = 10;

    /// <value>Least number of updates in one subspace, at least 1. Default 50.</value>
    public long AtLeast { get; init; } = 50;

    /// <value>Largest number of updates in one subspace. Default 1000.</value>
    public long AtMost { get; init; } = 1000;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Share(Least)
        .AtLeast(1, LookEvery)
        .AtLeast(1, AtLeast)
        .AtLeast(AtLeast, AtMost);

    /// <inheritdoc/>
    public double? LeastShare => Least;

    /// <inheritdoc/>
    public IEnumerable<StateSlot> SlotsFor(long lowRankElements) => [Since, Wanted];

    /// <inheritdoc/>
    public bool IsDue(long completed, int index, StateBag state)
    {
        var age = completed - state.Counter(Since);
        return age >= AtMost || (age >= AtLeast && state.Counter(Wanted) != 0);
    }

    /// <inheritdoc/>
    public bool AsksForShare(long completed, StateBag state) => (completed + 1 - state.Counter(Since)) % LookEvery == 0;

    /// <inheritdoc/>
    public void Observe(Tensor lowRank, Tensor? share, long completed, StateBag state)
    {
        if (share is not null)
            state.SetCounter(Wanted, share.ToDouble() < Math.Sqrt(Least) ? 1 : 0);
    }

    /// <inheritdoc/>
    public void Renewed(in SubspaceChange change, long completed)
    {
        change.State.SetCounter(Since, completed);
        change.State.SetCounter(Wanted, 0);
    }
}
