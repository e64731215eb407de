namespace LowRankTraining.Parts;

/// <summary>When a subspace is found again. The first one is always found at a parameter's first update.</summary>
public interface IRefreshPolicy : IPart
{
    /// <value>Whether the first subspace is the only one. Default false.</value>
    bool IsNeverDue => false;

    /// <value>Whether it goes by the number of updates alone, so that neither gradients nor subspaces have to be shown to it. Default false.</value>
    bool OnlyCounts => false;

    /// <value>The share of the gradient's energy below which a subspace is left; null where that is no reason to leave it. Default: null.</value>
    double? LeastShare => null;

    /// <summary>Whether the subspace is found again before the next update. Changes nothing.</summary>
    /// <param name="completed">Updates of this parameter so far, at least 1.</param>
    /// <param name="index">The parameter's position in the session.</param>
    /// <param name="state">The parameter's memory.</param>
    bool IsDue(long completed, int index, StateBag state);

    /// <summary>Whether it goes by how much of the gradient of this update is inside the subspace. Changes nothing. Default: it does not.</summary>
    /// <param name="completed">Updates of this parameter before this one.</param>
    /// <param name="state">The parameter's memory.</param>
    bool AsksForShare(long completed, StateBag state) => false;

    /// <summary>Looks at a gradient in the subspace, once per update.</summary>
    /// <param name="lowRank">R, its projection.</param>
    /// <param name="share">‖R‖ / ‖G‖, a scalar, where it is asked for; else null. Where gradients that add up are projected as they arise, that of the first
    /// one.</param>
    /// <param name="completed">Updates of this parameter before this one.</param>
    /// <param name="state">The parameter's memory.</param>
    void Observe(Tensor lowRank, Tensor? share, long completed, StateBag state) { }

    /// <summary>Looks at a change of subspace. Not called for the first one.</summary>
    void Renewed(in SubspaceChange change, long completed) { }

    /// <summary>What the policy keeps for one parameter. Default: nothing.</summary>
    /// <param name="lowRankElements">Numbers in the low-rank gradient.</param>
    IEnumerable<StateSlot> SlotsFor(long lowRankElements) => [];
}

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

/// <summary>The first subspace stays, or is moved by an <see cref="OnlinePcaDrift"/>.</summary>
public sealed record NeverRefresh : IRefreshPolicy
{
    /// <inheritdoc/>
    public bool IsNeverDue => true;

    /// <inheritdoc/>
    public bool OnlyCounts => true;

    /// <inheritdoc/>
    public bool IsDue(long completed, int index, StateBag state) => false;
}
