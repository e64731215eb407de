using LowRankTraining.Schedules;

namespace LowRankTraining.Layers;

/// <summary>Factors whose rank follows a schedule while they are trained.</summary>
internal sealed class RankChange(IRankSchedule ranks, bool resets) : FactorFeature
{
    /// <value>What a lower rank cannot hold is merged.</value>
    public override bool KeepsBase => false;

    public override long RankAfter(long completed, long rank) => ranks.RankFor(rank, completed);

    public override void AfterStep(in FactorRun run)
    {
        var completed = run.Completed;
        var due = run.Adapters.Where(adapter => adapter.RankAfter(completed) != adapter.Rank).ToArray();
        if (due.Length == 0)
            return;

        Adapter.RequireMergeable(due);
        foreach (var adapter in due)
            adapter.ChangeRank(completed, resets, run.State);
        run.Logger?.RankChanged(run.Strategy, due.Length, Math.Max(1, RankAfter(completed, run.Settings.Rank)), completed);
    }
}
