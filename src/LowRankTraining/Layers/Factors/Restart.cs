using LowRankTraining.Schedules;

namespace LowRankTraining.Layers;

/// <summary>Factors that are merged and drawn again every so often, perhaps after a warm start at full rank: when, follows from the number of completed
/// steps.</summary>
/// <param name="count">How often they have been drawn again after so many steps; never falls.</param>
internal sealed class Restart(Func<long, long> count) : FactorFeature
{
    /// <value>Steps of full-rank training before the factors take over.</value>
    public long WarmStart { get; init; }

    public MomentReset Reset { get; init; } = MomentReset.All;

    /// <value>The rank at each restart; null where it stays.</value>
    public IRankSchedule? Ranks { get; init; }

    /// <value>Measures the loss just before and after a restart; null where nobody asks.</value>
    public Func<double>? LossProbe { get; init; }

    /// <value>Only factors that are never merged are a change of weights that stay what they were.</value>
    public override bool KeepsBase => WarmStart == 0 && count(int.MaxValue) == 0;

    public override bool IsActiveAfter(long completed) => completed >= WarmStart;

    public override long RestartsAfter(long completed) => count(completed);

    public override long RankAfter(long completed, long rank) => Ranks?.RankFor(rank, LastRestartAt(completed)) ?? rank;

    public override void AfterStep(in FactorRun run)
    {
        if (WarmStart > 0 && run.Completed == WarmStart)
            TakeOver(run);
        else if (count(run.Completed) > count(run.Completed - 1))
            MergeAndDraw(run);
    }

    private static void TakeOver(in FactorRun run)
    {
        foreach (var adapter in run.Adapters)
            adapter.Activate(run.State);
        run.Logger?.FactorsTakeOver(run.Strategy, run.Completed, run.Adapters.Count);
    }

    private void MergeAndDraw(in FactorRun run)
    {
        Adapter.RequireMergeable(run.Adapters);
        var before = Probe();

        using var zeroed = run.Logger?.IsEnabled(LogLevel.Information) == true ? new ZeroedShare() : null;
        foreach (var adapter in run.Adapters)
            adapter.Restart(run.Completed, Reset with { Zeroed = zeroed }, run.State);
        Instruments.Merges.Count(run.Adapters.Count);

        var after = Probe();
        if (zeroed is not null)
            run.Logger!.Restarted(run.Strategy, count(run.Completed), run.Completed, run.Adapters.Count,
                Math.Max(1, RankAfter(run.Completed, run.Settings.Rank)), zeroed.Read(),
                before is { } loss ? FormattableString.Invariant($"; loss {loss:0.######} before, {after:0.######} after") : "");
    }

    private double? Probe()
    {
        using var scope = NewDisposeScope();
        return LossProbe?.Invoke();
    }

    /// <summary>The step of the last restart, the first one with as many as there have been; 0 before the first.</summary>
    private long LastRestartAt(long completed)
    {
        var (low, high, restarts) = (0L, completed, count(completed));
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = count(middle) < restarts ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
