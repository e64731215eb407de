using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>What the methods that project the gradient have in common.</summary>
public abstract record GradientSpaceOptions : AdamOptions
{
    /// <value>r, dimensions of the subspace; at least 1. Above a matrix's compressed side it is lowered to that side, with a warning. Default 128 (GaLore, 60M).</value>
    public int Rank { get; init; } = 128;

    /// <value>T, updates between two refreshes of the subspace; at least 1. Default 200 (GaLore).</value>
    public long RefreshEvery { get; init; } = 200;

    /// <value>Whether each matrix is refreshed at a phase of its own, so that no step stalls for all of them. Default false.</value>
    public bool Staggered { get; init; }

    /// <value>How the subspace is found; null for the method's own choice: for most a warm-started pass after a first randomized SVD, or exact SVD under <see cref="Compatibility.ReferenceCode"/>.</value>
    public IBasis? Basis { get; init; }

    /// <value>How the basis is stored: <see cref="StateFormat.Float32"/>, <see cref="StateFormat.BFloat16"/> or <see cref="StateFormat.Affine4Bit"/>. Default: float32.</value>
    public StateFormat BasisFormat { get; init; } = StateFormat.Float32;

    /// <value>When the subspace is found anew; null for every <see cref="RefreshEvery"/> updates.</value>
    public IRefreshPolicy? Refresh { get; init; }

    /// <value>Stands before the inner rule; null for nothing. Default: nothing.</value>
    public ISpikeGuard? Guard { get; init; }

    /// <value>Whether the program accumulates gradients in the subspace (<see cref="LowRankOptimizer.accumulate"/>): combinations for which that is impossible are then refused from the start. Default false.</value>
    public bool AccumulatesInSubspace { get; init; }

    /// <value>What becomes of the moments at a refresh. Default: they are kept, as in the papers.</value>
    public MomentCarryOver OnRefresh { get; init; } = MomentCarryOver.Keep;

    /// <value>Whether a rank above a matrix's compressed side is an error. Default false.</value>
    public bool Strict { get; init; }

    /// <summary>The basis that the method itself would take.</summary>
    internal virtual IBasis DefaultBasis => FollowsCode ? new ExactSvdBasis() : new WarmStartedBasis();

    /// <summary>A basis that knows nothing of the one before.</summary>
    internal IBasis ColdBasis => FollowsCode ? new ExactSvdBasis() : new RandomizedSvdBasis();

    /// <summary>The subspace rule of the method, given what runs inside and how its steps come back.</summary>
    internal SubspaceRule Project(DirectionRule inner, ILift lift, ProjectionSide side) => new()
    {
        Rank = Rank,
        Side = side,
        Basis = Basis ?? DefaultBasis,
        BasisFormat = BasisFormat,
        Refresh = Refresh ?? (Staggered ? new StaggeredRefresh { Every = RefreshEvery } : new PeriodicRefresh { Every = RefreshEvery }),
        OnRefresh = OnRefresh,
        Inner = inner,
        Guard = Guard,
        Lift = lift,
        NoiseFloor = Compatibility == Compatibility.Paper ? 1e-6 : 0,
    };

    /// <summary>The rules that the options of every such method obey.</summary>
    internal OptionsRules Rules() => AdamRules()
        .AtLeast(1, Rank)
        .AtLeast(1, RefreshEvery)
        .Require(BasisFormat is not null, $"{nameof(BasisFormat)} is null: use {nameof(StateFormat)}.{nameof(StateFormat.Float32)} or another format.")
        .Require(OnRefresh is not null, $"{nameof(OnRefresh)} is null: use {nameof(MomentCarryOver)}.{nameof(MomentCarryOver.Keep)} or another way.")
        .Obey(Refresh)
        .Obey(Basis)
        .Obey(Guard);
}
