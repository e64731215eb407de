namespace LowRankTraining.Schedules;

/// <summary>The rank of low-rank factors over time.</summary>
/// <remarks>A pure function: it keeps no position, so a resumed run has the ranks of an uninterrupted one.
/// The factors' scale s does not follow the rank.</remarks>
public interface IRankSchedule : IPart
{
    /// <summary>The rank of a matrix after so many steps. It is confined to what the matrix can have: 1 up to its short side.</summary>
    /// <param name="rank">The rank that the options give the matrix.</param>
    /// <param name="step">Completed steps, from 0.</param>
    long RankFor(long rank, long step);
}
