using LowRankTraining.Text;

namespace LowRankTraining.Strategies;

/// <summary>A method that projects gradients: matrices get a subspace rule, everything else a full-rank one. It is its own options.</summary>
/// <remarks>To write one: derive a record, name it, and say by <see cref="Lift"/>, <see cref="OwnBasis"/>, <see cref="OwnRefresh"/>, or by the whole
/// <see cref="Subspace"/>, in what it differs from GaLore.</remarks>
public abstract record GradientSpaceMethod : AdamMethod
{
    private readonly int? _rank;

    /// <value>r, dimensions of the subspace; at least 1. Above a matrix's compressed side it is lowered to that side, with a warning. Default 128 (GaLore,
    /// 60M); a matrix for which nobody has asked for a rank and that one would take more state than AdamW is left to the rule of everything else.</value>
    public int Rank { get => _rank ?? DefaultRank; init => _rank = value; }

    /// <value>α, a factor on the step inside the subspace; above 0. Default 0.25 for most (GaLore, section 5.1).</value>
    public double Scale { get; init; } = 0.25;

    /// <value>Which side of the gradient is compressed. Default: the short one.</value>
    public ProjectionSide Side { get; init; } = ProjectionSide.Short;

    /// <value>T, updates between two refreshes of the subspace; at least 1. Default 200 (GaLore).</value>
    public long RefreshEvery { get; init; } = 200;

    /// <value>Whether each matrix is refreshed at a phase of its own, so that no step stalls for all of them. Default false.</value>
    public bool Staggered { get; init; }

    /// <value>When the subspace is found again; null for every <see cref="RefreshEvery"/> updates.</value>
    [OwnByDefault]
    public IRefreshPolicy? Refresh { get; init; }

    /// <value>How the subspace is found; null for the method's own choice: for most a warm-started pass after a first randomized SVD, or exact SVD under
    /// <see cref="Compatibility.ReferenceCode"/>.</value>
    [OwnByDefault]
    public IBasis? Basis { get; init; }

    /// <value>How the basis is stored: <see cref="StateFormat.Float32"/>, <see cref="StateFormat.BFloat16"/>, or in fewer bits, of which
    /// <see cref="StateFormat.Affine4Bit"/> (Q-GaLore) is made for bases. Default: float32.</value>
    public StateFormat BasisFormat { get; init; } = StateFormat.Float32;

    /// <value>Stands before the inner rule; null for nothing. Default: nothing.</value>
    public ISpikeGuard? Guard { get; init; }

    /// <value>What becomes of the moments at a refresh. Default: they are kept, as in the papers.</value>
    public MomentCarryOver OnRefresh { get; init; } = MomentCarryOver.Keep;

    /// <value>Whether the program accumulates gradients in the subspace (<see cref="LowRankOptimizer.accumulate"/>): combinations for which that is impossible
    /// are then refused from the start. Default false.</value>
    public bool AccumulatesInSubspace { get; init; }

    /// <value>Whether a rank above a matrix's compressed side is an error. Default false.</value>
    public bool Strict { get; init; }

    /// <value>The rank where nobody has asked for one. Default 128.</value>
    protected virtual int DefaultRank => 128;

    /// <value>The basis that the method itself takes.</value>
    protected virtual IBasis OwnBasis => FollowsCode ? new ExactSvdBasis() : new WarmStartedBasis();

    /// <value>A basis that is found from the gradient alone, whatever the one before was.</value>
    private protected IBasis ColdBasis => FollowsCode ? new ExactSvdBasis() : new RandomizedSvdBasis();

    /// <value>When the method itself finds the subspace again.</value>
    protected virtual IRefreshPolicy OwnRefresh =>
        Staggered ? new StaggeredRefresh { Every = RefreshEvery } : new PeriodicRefresh { Every = RefreshEvery };

    /// <value>The rule inside the subspace, which is also that of everything that is not projected, unless it is for matrices only: then Adam is.</value>
    protected virtual DirectionRule InnerRule => Adam;

    private protected override DirectionRule OtherRule => InnerRule.NeedsMatrix ? Adam : InnerRule;

    /// <value>How the step comes back. Default: projected back, times <see cref="Scale"/>.</value>
    protected virtual ILift Lift => new ProjectBack { Scale = Scale };

    /// <value>The rule of matrices.</value>
    protected internal virtual SubspaceRule Subspace => new()
    {
        Rank = Rank,
        Side = Side,
        Basis = Basis ?? OwnBasis,
        BasisFormat = BasisFormat,
        Refresh = Refresh ?? OwnRefresh,
        OnRefresh = OnRefresh,
        Inner = InnerRule,
        Guard = Guard,
        Lift = Lift,
        NoiseFloor = FollowsCode ? 0 : 1e-6,
    };

    /// <inheritdoc/>
    protected override bool RefusesLowerRanks => Strict;

    /// <summary>The rule of one of the targets. Default: <see cref="Subspace"/>, for which a tensor of more than two dimensions is out × rest.</summary>
    /// <param name="target">The target.</param>
    protected override UpdateRule RuleForTarget(in ParameterRole target) => Subspace;

    /// <inheritdoc/>
    protected override bool SparesSmallTargets => _rank is null;

    /// <inheritdoc/>
    protected override UpdateMethod With(ParameterOptions own)
    {
        ArgumentNullException.ThrowIfNull(own);
        var method = (GradientSpaceMethod)base.With(own with { Rank = null, Scale = null });
        method = own.Rank is { } rank ? method with { Rank = rank } : method;
        return own.Scale is { } scale ? method with { Scale = scale } : method;
    }

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .AtLeast(1, Rank)
            .Above(0, Scale)
            .Defined(Side)
            .AtLeast(1, RefreshEvery)
            .OptionalPart(Refresh)
            .OptionalPart(Basis)
            .Format(BasisFormat)
            .OptionalPart(Guard)
            .Part(OnRefresh);
        CheckEffects(checks, Unset(this));

        if (BasisFormat is not null && OnRefresh is not null)
            checks.Refuse(Subspace.Contradictions()).Refuse(AccumulatesInSubspace ? Subspace.ObstaclesToAccumulation() : []);
    }

    private void CheckEffects(Checks checks, GradientSpaceMethod unset)
    {
        var basis = Basis ?? OwnBasis;
        checks
            .Unused(Refresh is null, RefreshEvery, unset.RefreshEvery, "Refresh says when the subspace is found again")
            .Unused(Refresh is null, Staggered, unset.Staggered, "Refresh says when the subspace is found again")
            .Unused(RefreshEvery > 1 || Refresh is not null, Staggered, unset.Staggered, "every matrix is refreshed at every update")
            .Unused(!(Refresh ?? OwnRefresh).IsNeverDue, OnRefresh, unset.OnRefresh, "the subspace is found only once")
            .Unused(basis.KeepsColumns, BasisFormat, unset.BasisFormat, $"{basis.GetType().Name} stores no columns");
    }
}
