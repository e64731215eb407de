namespace LowRankTraining.Strategies;

/// <summary>SPAM: Adam behind a guard against gradient spikes, with moments that are reset now and then.</summary>
/// <remarks>
/// <para>Entries with g² &gt; θ v become sign(g) √(θ v); every ΔT updates the moments start again, and the step grows back over N updates: see
/// <see cref="SpikeGuard"/>.</para>
/// <para>State of a matrix: Adam's, 2mn numbers; with sparse momentum of density d about 2dmn, and the numbers of the rows or columns. The guard itself goes
/// with any method: <see cref="GuardedRule"/>.</para>
/// <para>Differences from the authors' code: v is corrected for its bias before it is compared, bias correction restarts with the moments, and an entry that
/// has no history yet is not cut to 0; sparse momentum goes by whole rows or columns instead of entries, since a mask of entries costs what it saves.
/// <see cref="Compatibility.ReferenceCode"/> follows them.</para>
/// <para>Source: Huang et al., SPAM: Spike-Aware Adam with Momentum Reset, arXiv 2501.06842.</para>
/// </remarks>
public sealed record Spam : AdamMethod
{
    /// <inheritdoc/>
    public override string Name => "spam";

    /// <value>θ, how often its own mean square an entry's square may be; above 0. Default 5000 (SPAM).</value>
    public double Threshold { get; init; } = 5000;

    /// <value>ΔT, updates between two resets of the moments; 0 for never. Default 500 (SPAM).</value>
    public long ResetEvery { get; init; } = 500;

    /// <value>N, updates over which the step grows back after a reset; at least 0. Default 150 (SPAM).</value>
    public long WarmupAfterReset { get; init; } = 150;

    /// <value>Updates at the start, and after each reset, in which nothing is cut; at least 0. Default 20 (SPAM's code).</value>
    public long ClipStart { get; init; } = 20;

    /// <value>d, the share of a matrix's rows, or columns where they are the shorter ones, that is trained between two resets; above 0 and at most 1.
    /// Below 1 only these have moments, and other ones are drawn at each reset. Default 1: all of them (SPAM).</value>
    public double Density { get; init; } = 1;

    /// <inheritdoc/>
    protected override Targets? DefaultTargets => Density < 1 ? base.DefaultTargets : null;

    private SpikeGuard Guard => new()
    {
        Threshold = Threshold,
        ResetEvery = ResetEvery,
        WarmupAfterReset = WarmupAfterReset,
        ClipStart = ClipStart,
        Compatibility = Compatibility,
    };

    private GuardedRule Dense => new(Adam, Guard);

    /// <inheritdoc/>
    protected override UpdateRule RuleFor(in ParameterRole role) => (role.IsTarget, Density) switch
    {
        (true, < 1) => Sparse,
        (false, >= 1) => base.RuleFor(role),
        _ => role.IsTable ? Dense.WithStates(TableStates) : Dense,
    };

    private SubspaceRule Sparse => new()
    {
        Rank = 1,
        Density = Density,
        Basis = new CoordinateBasis(),
        Refresh = new WithReset(ResetEvery),
        Inner = Adam,
        Guard = Guard,
        Lift = new ProjectBack { Scale = 1 },
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        const string Never = "ResetEvery is 0, so that nothing is ever reset";
        checks
            .Above(0, Threshold)
            .AtLeast(0, ResetEvery)
            .AtLeast(0, WarmupAfterReset)
            .AtLeast(0, ClipStart)
            .Ratio(Density)
            .Require(!(Density < 1) || ResetEvery > 0,
                $"{checks.PathOf(nameof(Density))} is below 1 and ResetEvery is 0: the rest of each matrix would never be trained. Set ResetEvery.")
            .Unused(ResetEvery != 0, WarmupAfterReset, 150, Never);
    }

    /// <summary>At the updates at which the guard resets the moments.</summary>
    private sealed record WithReset(long Every) : IRefreshPolicy
    {
        public bool IsDue(long completed, int index, StateBag state) => (completed + 1) % Every == 0;
    }
}
