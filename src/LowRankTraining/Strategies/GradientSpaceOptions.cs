using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Logging;

namespace LowRankTraining.Strategies;

/// <summary>What the methods that project the gradient have in common.</summary>
public abstract record GradientSpaceOptions
{
    /// <value>r, dimensions of the subspace; at least 1. Above a matrix's compressed side it is lowered to that side, with a warning. Default 128 (GaLore, 60M).</value>
    public int Rank { get; init; } = 128;

    /// <value>T, updates between two refreshes of the subspace; at least 1. Default 200 (GaLore).</value>
    public long RefreshEvery { get; init; } = 200;

    /// <value>Whether each matrix is refreshed at a phase of its own, so that no step stalls for all of them. Default false.</value>
    public bool Staggered { get; init; }

    /// <value>How the subspace is found; null for the method's own choice: randomized SVD, or exact SVD under <see cref="Compatibility.ReferenceCode"/>.</value>
    public IBasis? Basis { get; init; }

    /// <value>How the basis is stored. Default: float32.</value>
    public StateFormat BasisFormat { get; init; } = StateFormat.Float32;

    /// <value>When the subspace is found anew; null for every <see cref="RefreshEvery"/> updates.</value>
    public IRefreshPolicy? Refresh { get; init; }

    /// <value>Stands before the inner rule; null for nothing. Default: nothing.</value>
    public ISpikeGuard? Guard { get; init; }

    /// <value>Whether the program accumulates gradients in the subspace (<see cref="LowRankOptimizer.accumulate"/>): combinations for which that is impossible are then refused from the start. Default false.</value>
    public bool AccumulatesInSubspace { get; init; }

    /// <value>What becomes of the moments at a refresh. Default: they are kept, as in the papers.</value>
    public MomentCarryOver OnRefresh { get; init; } = MomentCarryOver.Keep;

    /// <value>β₁ of Adam, in [0, 1). Default 0.9.</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>β₂ of Adam, in [0, 1). Default 0.999.</value>
    public double Beta2 { get; init; } = 0.999;

    /// <value>ε of the inner rule, above 0, in units of the gradient. Default 1e-8.</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>Whether Adam corrects the bias of its moments. Default true.</value>
    public bool BiasCorrection { get; init; } = true;

    /// <value>How the moments are stored, of projected parameters and of all others: <see cref="StateFormat.Float32"/>, <see cref="StateFormat.BFloat16"/>,
    /// <see cref="StateFormat.Blockwise8Bit"/> or <see cref="StateFormat.Blockwise4Bit"/>. Default float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <value>Whether a rank above a matrix's compressed side is an error. Default false.</value>
    public bool Strict { get; init; }

    /// <value>Seed of the randomized bases and of stochastic rounding. Default 0.</value>
    public ulong Seed { get; init; }

    /// <value>Whom to follow where paper and code differ. Default: the paper.</value>
    public Compatibility Compatibility { get; init; }

    /// <value>Where warnings go; null for nowhere.</value>
    public ILogger? Logger { get; init; }

    /// <summary>The basis that the method itself would take.</summary>
    internal virtual IBasis DefaultBasis => Compatibility == Compatibility.Paper ? new RandomizedSvdBasis() : new ExactSvdBasis();

    /// <summary>When weight decay is applied: the code of most methods builds on an AdamW that applies it afterwards.</summary>
    internal virtual DecayTiming Decay => Compatibility == Compatibility.ReferenceCode ? DecayTiming.AfterUpdate : DecayTiming.BeforeUpdate;

    /// <summary>The inner Adam, which is also the rule of everything that is not projected.</summary>
    internal virtual AdamRule Adam => new()
    {
        Beta1 = Beta1,
        Beta2 = Beta2,
        Epsilon = Epsilon,
        EpsilonAfterCorrection = Compatibility == Compatibility.Paper,
        BiasCorrection = BiasCorrection,
        States = States,
    };

    /// <summary>The subspace rule of the method, given what runs inside and how its steps come back.</summary>
    internal SubspaceRule Project(IDirectionRule inner, ILift lift, ProjectionSide side) => new()
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
    internal OptionsRules Rules() => new OptionsRules()
        .AtLeast(1, Rank)
        .AtLeast(1, RefreshEvery)
        .Fraction(Beta1)
        .Fraction(Beta2)
        .Above(0, Epsilon)
        .Obey(Refresh)
        .Obey(Basis);
}
