namespace LowRankTraining.Schedules;

/// <summary>A rank that is multiplied by the same factor at equal intervals: halved, by default.</summary>
/// <remarks>r(t) = max(r_min, round(r γʲ)), with j = ⌊(t − t₀) / T⌋ intervals since t₀.</remarks>
public sealed record GeometricRank : IRankSchedule
{
    /// <value>T, steps from one change to the next; at least 1.</value>
    public required long Every { get; init; }

    /// <value>γ, in (0, 1]. Default 0.5.</value>
    public double Factor { get; init; } = 0.5;

    /// <value>t₀, the step from which intervals are counted; at least 0. Default 0.</value>
    public long Start { get; init; }

    /// <value>r_min, at least 1. Default 1.</value>
    public long MinRank { get; init; } = 1;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .AtLeast(1, Every)
        .Ratio(Factor)
        .AtLeast(0, Start)
        .AtLeast(1, MinRank);

    /// <inheritdoc/>
    public long RankFor(long rank, long step)
    {
        var intervals = Math.Max(0, step - Start) / Every;
        return Math.Max(MinRank, RankRules.Rounded(rank * Math.Pow(Factor, intervals)));
    }
}
