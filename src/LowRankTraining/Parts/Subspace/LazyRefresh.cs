namespace LowRankTraining.Parts;

/// <summary>A gap between refreshes that grows while the subspace does not change.</summary>
/// <remarks>
/// <para>At each refresh the similarity of old and new subspace, ‖P_newᵀ P_old‖²_F / rank, in [0, 1], joins the last few; when so many are there and their mean
/// reaches the threshold, the gap is multiplied by γ, and the count begins again.</para>
/// <para>The measure looks at the whole subspace and knows no signs; for random subspaces it is rank / s. Stored
/// in 4 bits, bases are compared as they are stored.</para>
/// <para><see cref="Compatibility.ReferenceCode"/>: the signed cosine of the first vectors alone, although their signs are arbitrary; the similarities stay
/// after an enlargement, so that the gap can grow at every refresh that follows; refreshes at multiples of the gap.</para>
/// <para>State: counters <c>refresh_gap</c> and <c>refresh_next</c>; <c>refresh_similarities</c>, as many float32 numbers as are kept. One read from the
/// device at a refresh, none in between.</para>
/// <para>Source: Zhang et al., Q-GaLore, arXiv 2407.08296, section 3.2.</para>
/// </remarks>
public sealed record LazyRefresh : IRefreshPolicy
{
    private static readonly StateSlot
        GapCounter = new("refresh_gap"), NextCounter = new("refresh_next"), CountCounter = new("refresh_remembered"),
        Memory = new("refresh_similarities") { IsSingle = true };

    /// <summary>More similarities than refreshes of any run, in less memory than a basis.</summary>
    internal const int MostRemembered = 10_000;

    /// <summary>A gap that no run comes to the end of.</summary>
    private const long Never = 1L << 62;

    /// <value>T, the first gap, in updates; at least 1. Default 200 (Q-GaLore).</value>
    public long Every { get; init; } = 200;

    /// <value>Mean similarity from which the gap grows, in (0, 1]. Default 0.4 (Q-GaLore).</value>
    public double Threshold { get; init; } = 0.4;

    /// <value>γ, above 1. Default 2 (Q-GaLore).</value>
    public double Growth { get; init; } = 2;

    /// <value>Similarities kept, from 1 to 10,000. Default 5 (Q-GaLore).</value>
    public int Remembered { get; init; } = 5;

    /// <value>Whether to follow the authors' code. Default: <see cref="Compatibility.Paper"/>.</value>
    public Compatibility Compatibility { get; init; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .AtLeast(1, Every)
        .Ratio(Threshold)
        .Above(1, Growth)
        .Between(1, MostRemembered, Remembered)
        .Defined(Compatibility);

    private bool IsReference => Compatibility == Compatibility.ReferenceCode;

    /// <inheritdoc/>
    public IEnumerable<StateSlot> SlotsFor(long lowRankElements) => [GapCounter, NextCounter, CountCounter, Memory.Of(Remembered)];

    /// <inheritdoc/>
    public bool IsDue(long completed, int index, StateBag state) => completed >= (state.TryGetCounter(NextCounter, out var next) ? next : Every);

    /// <inheritdoc/>
    public void Renewed(in SubspaceChange change, long completed)
    {
        using var scope = NewDisposeScope();
        var state = change.State;
        var gap = NextGap(state, Similarity(change));
        state.SetCounter(GapCounter, gap);
        state.SetCounter(NextCounter, IsReference ? (completed / gap + 1) * gap : completed + gap);
    }

    private long NextGap(StateBag state, Tensor similarity)
    {
        var gap = state.TryGetCounter(GapCounter, out var current) ? current : Every;
        var memory = state.GetOrAdd(Memory, () => zeros(Remembered, ScalarType.Float32, similarity.device));
        var count = state.Advance(CountCounter);
        memory.narrow(0, (count - 1) % Remembered, 1).copy_(similarity);

        if (count < Remembered || memory.mean().ToDouble() < Threshold)
            return gap;

        if (!IsReference)
            state.SetCounter(CountCounter, 0);
        return (long)Math.Min(gap * Growth, Never);
    }

    private Tensor Similarity(in SubspaceChange change)
    {
        var overlap = (change.LeftOverlap() ?? change.RightOverlap())!;
        return IsReference ? overlap[0, 0] : overlap.square().sum().div_(overlap.shape[0]);
    }
}
