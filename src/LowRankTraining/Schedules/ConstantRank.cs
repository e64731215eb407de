namespace LowRankTraining.Schedules;

/// <summary>The rank of the options.</summary>
public sealed record ConstantRank : IRankSchedule
{
    /// <inheritdoc/>
    public long RankFor(long rank, long step) => rank;
}
