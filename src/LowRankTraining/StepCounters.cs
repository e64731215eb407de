namespace LowRankTraining;

/// <summary>What an optimizer counts over its life.</summary>
internal sealed class StepCounters
{
    public long ZeroGradients { get; private set; }

    public long NonFiniteGradients { get; private set; }

    public long Refreshes { get; private set; }

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
