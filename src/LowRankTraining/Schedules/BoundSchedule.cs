using static TorchSharp.torch;

namespace LowRankTraining.Schedules;

/// <summary>A schedule at work on an optimizer: a TorchSharp scheduler that also knows where it is.</summary>
public sealed class BoundSchedule : optim.lr_scheduler.impl.LambdaLR
{
    private long _completedSteps;

    internal BoundSchedule(ILrSchedule schedule, optim.Optimizer optimizer, long completedSteps)
        : base(optimizer, epoch => schedule.Multiplier(epoch), checked((int)completedSteps) - 1)
    {
        // TorchSharp's constructor takes a step of its own, before this line.
        _completedSteps = completedSteps;
        Schedule = schedule;
    }

    /// <value>The schedule.</value>
    public ILrSchedule Schedule { get; }

    /// <value>Completed optimizer steps, as far as this scheduler has been told by <c>step()</c>.</value>
    public long CompletedSteps => _completedSteps;

    /// <summary>Sets the rates for the next update, or for the one after <paramref name="epoch"/> updates.</summary>
    public override void step(int? epoch)
    {
        base.step(epoch);
        _completedSteps = epoch ?? _completedSteps + 1;
    }
}
