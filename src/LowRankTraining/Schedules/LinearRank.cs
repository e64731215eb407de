namespace LowRankTraining.Schedules;

/// <summary>A rank that rises or falls along a straight line.</summary>
/// <remarks>r(t) = round(r (a + (b − a) p)), with p = (t − t₀) / (t₁ − t₀) within 0 and 1, looked at every T steps from t₀ on.</remarks>
public sealed record LinearRank : IRankSchedule
{
    /// <value>a, share of the options' rank at the start; above 0. Default 1.</value>
    public double From { get; init; } = 1;

    /// <value>b, share of the options' rank at the end; above 0.</value>
    public required double To { get; init; }

    /// <value>t₀, the step up to which the rank is that of the start; at least 0. Default 0.</value>
    public long Start { get; init; }

    /// <value>t₁, the step from which the rank is that of the end; above <see cref="Start"/>.</value>
    public required long End { get; init; }

    /// <value>T, steps from one look to the next; at least 1. Default 1.</value>
    public long Every { get; init; } = 1;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks
        .Above(0, From)
        .Above(0, To)
        .AtLeast(0, Start)
        .Above(Start, End)
        .AtLeast(1, Every);

    /// <inheritdoc/>
    public long RankFor(long rank, long step) => RankRules.Rounded(rank * (From + (To - From) * RankRules.Progress(step, Start, End, Every)));
}
