namespace LowRankTraining;

/// <summary>What an optimizer counts over its life.</summary>
internal sealed class StepCounters
{
    public long ZeroGradients { get; private set; }

    public long NonFiniteGradients { get; private set; }

    public long Refreshes { get; private set; }

    /// <summary>All that has been counted; the counters start again.</summary>
    public long[] Take()
    {
        long[] counts = [ZeroGradients, NonFiniteGradients, Refreshes];
        (ZeroGradients, NonFiniteGradients, Refreshes) = (0, 0, 0);
        return counts;
    }

    /// <summary>Adds what <see cref="Take"/> gave, elsewhere too.</summary>
    public void Add(long[] counts) =>
        (ZeroGradients, NonFiniteGradients, Refreshes) = (ZeroGradients + counts[0], NonFiniteGradients + counts[1], Refreshes + counts[2]);

    public void Refuse(GradientVerdict verdict)
    {
        if (verdict == GradientVerdict.Zero)
            ZeroGradients++;
        else
            NonFiniteGradients++;
        Instruments.CountSkipped(verdict == GradientVerdict.Zero);
    }

    public void Refresh()
    {
        Refreshes++;
        Instruments.Refreshes.Count();
    }
}
