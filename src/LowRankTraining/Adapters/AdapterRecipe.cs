using LowRankTraining.Numerics;
using LowRankTraining.Rules;

namespace LowRankTraining.Adapters;

/// <summary>What a weight-space method does to every matrix that it adapts.</summary>
internal sealed record AdapterRecipe
{
    public required string Strategy { get; init; }

    public required ulong Seed { get; init; }

    /// <value>The rank before the first restart.</value>
    public required int Rank { get; init; }

    /// <value>Factor on the rank at every restart, not below <see cref="MinRank"/>.</value>
    public double RankDecay { get; init; } = 1;

    public int MinRank { get; init; } = 1;

    public required double Scale { get; init; }

    public required double Dropout { get; init; }

    public required AdamRule Adam { get; init; }

    /// <value>How the frozen weight is kept.</value>
    public BaseFormat Base { get; init; } = BaseFormat.Dense;

    public MergeRounding Rounding { get; init; } = MergeRounding.Stochastic;

    /// <value>Measures the loss just before and after a restart; null where nobody asks.</value>
    public Func<double>? LossProbe { get; init; }

    public required RestartClock Clock { get; init; }

    public required MomentReset Reset { get; init; }

    /// <summary>r = min(limit, max(r_min, round(r₀ γʲ))) after j restarts.</summary>
    public long RankAfter(long completed, long limit)
    {
        var decayed = Math.Round(Rank * Math.Pow(RankDecay, Clock.RestartsAfter(completed)), MidpointRounding.AwayFromZero);
        return Math.Min(limit, Math.Max(MinRank, (long)decayed));
    }

    /// <summary>Seed of A as it is drawn after so many steps.</summary>
    public ulong DrawKey(string weight, long completed) => RandomKey.For(Seed, weight, LowRankFactors.A, Clock.RestartsAfter(completed));

    /// <summary>Seed of a random mask over the state of one factor.</summary>
    public ulong MaskKey(string weight, string factor, long completed) => RandomKey.For(Seed, weight, $"reset {factor}", completed);

    /// <summary>Seed of the rounding of a merge.</summary>
    public ulong MergeKey(string weight, long completed) => RandomKey.For(Seed, weight, "merge", completed);
}
