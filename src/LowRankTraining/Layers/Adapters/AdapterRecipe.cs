using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;

namespace LowRankTraining.Layers;

/// <summary>What a weight-space method does to every matrix that it adapts.</summary>
internal sealed record AdapterRecipe
{
    public required string Strategy { get; init; }

    public required ulong Seed { get; init; }

    public required int Rank { get; init; }

    /// <value>What becomes of the rank: at the restarts where there are any, else at any step.</value>
    public IRankSchedule RankSchedule { get; init; } = new ConstantRank();

    public RankChangeState OnRankChange { get; init; }

    public required double Scale { get; init; }

    public required double Dropout { get; init; }

    public required AdamRule Adam { get; init; }

    /// <value>η_B / η_A.</value>
    public double LearningRateRatio { get; init; } = 1;

    public FactorInit Init { get; init; }

    /// <value>γ of <see cref="FactorInit.LoRAGA"/>.</value>
    public double GradientGamma { get; init; } = 16;

    /// <value>Rank and scale of single layers, or null where all are alike.</value>
    public LayerChoices? Layers { get; init; }

    /// <value>How factors that are parameters are trained; null for <see cref="Adam"/>.</value>
    public UpdateRule? Projected { get; init; }

    public UpdateRule FactorRule => Projected ?? Adam;

    /// <value>How the frozen weight is kept.</value>
    public BaseFormat Base { get; init; } = BaseFormat.Dense;

    public MergeRounding Rounding { get; init; } = MergeRounding.Stochastic;

    /// <value>Measures the loss just before and after a restart; null where nobody asks.</value>
    public Func<double>? LossProbe { get; init; }

    public RestartClock Clock { get; init; } = RestartClock.Never;

    public MomentReset Reset { get; init; } = MomentReset.All;

    /// <value>Pruning of A, or null for none.</value>
    public InputPruning? Pruning { get; init; }

    /// <value>The exchange of single vectors, or null for none.</value>
    public Switching? Switching { get; init; }

    /// <summary>What all options of this kind say.</summary>
    public static AdapterRecipe Of(string strategy, WeightSpaceMethod options) => new()
    {
        Strategy = strategy,
        Seed = options.Seed,
        Rank = options.Rank,
        Scale = options.Scale,
        Dropout = options.Dropout,
        Adam = options.Adam,
        Layers = options is LoRAMethod factors ? new LayerChoices(factors) : null,
        LearningRateRatio = (options as LoRAMethod)?.LearningRateRatio ?? 1,
    };

    /// <summary>The recipe for one matrix.</summary>
    public AdapterRecipe For(Site site)
    {
        if (Layers is null)
            return this;
        var (rank, scale) = Layers.For(site);
        return this with { Rank = rank, Scale = scale, Layers = null };
    }

    /// <summary>The rank after so many steps, at most the short side of the matrix.</summary>
    public long RankAfter(long completed, long limit) =>
        Math.Clamp(RankSchedule.RankFor(Rank, Clock.HasRestarts ? Clock.LastRestartAt(completed) : completed), 1, limit);

    /// <summary>Seed of A as it is drawn after so many steps.</summary>
    public ulong DrawKey(string weight, long completed) => RandomKey.For(Seed, weight, LowRankFactors.A, Clock.RestartsAfter(completed));

    /// <summary>Seed of the rows that A gets when its rank grows.</summary>
    public ulong GrowthKey(string weight, long completed) => RandomKey.For(Seed, weight, $"new rows of {LowRankFactors.A}", completed);

    /// <summary>Seed of new vectors for a factor.</summary>
    public ulong CandidateKey(string weight, string factor, long completed) => RandomKey.For(Seed, weight, $"candidates of {factor}", completed);

    /// <summary>Seed of a random mask over the state of one factor.</summary>
    public ulong MaskKey(string weight, string factor, long completed) => RandomKey.For(Seed, weight, $"reset {factor}", completed);

    /// <summary>What the rounding of a factor's moments is keyed by where they are changed between two steps.</summary>
    public StepContext StepOf(string weight, string factor, long completed) => new() { Step = completed, Seed = Seed, Parameter = $"{weight}, {factor}" };

    /// <summary>Seed of the rounding of a merge.</summary>
    public ulong MergeKey(string weight, long completed) => RandomKey.For(Seed, weight, "merge", completed);
}
