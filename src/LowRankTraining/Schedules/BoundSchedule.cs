namespace LowRankTraining.Schedules;

/// <summary>A schedule at work on an optimizer: a TorchSharp scheduler that also knows where it is.</summary>
/// <remarks>When state is loaded into a <see cref="LowRankOptimizer"/>, the schedules bound to it go on from the steps that were completed there; for other
/// optimizers <see cref="Checkpoints.TrainingCheckpoint.Load"/> sees to it. Where <see cref="LossScaler"/> has left out the step of a
/// <see cref="LowRankOptimizer"/>, it stands still.</remarks>
public sealed class BoundSchedule : optim.lr_scheduler.impl.LambdaLR
{
    private readonly optim.Optimizer? _optimizer;

    // Null while TorchSharp's constructor runs, and until a run is loaded: what TorchSharp found when the schedule was bound counts till then.
    private double[]? _initialRates;
    private long _completedSteps, _next;

    internal BoundSchedule(ILrSchedule schedule, optim.Optimizer optimizer, long completedSteps)
        : base(optimizer, epoch => schedule.Multiplier(epoch), checked((int)completedSteps) - 1)
    {
        // TorchSharp's constructor takes a step of its own, before this line.
        _completedSteps = completedSteps;
        _optimizer = optimizer;
        Schedule = schedule;
        if (optimizer is LowRankOptimizer own)
            own.Resumed += GoOnAfter;
    }

    /// <value>The schedule.</value>
    public ILrSchedule Schedule { get; }

    /// <value>Completed optimizer steps, as far as this scheduler has been told by <c>step()</c> or by a checkpoint.</value>
    public long CompletedSteps => _completedSteps;

    /// <summary>Sets the rates for the next update, or for the one after <paramref name="epoch"/> updates.</summary>
    public override void step(int? epoch)
    {
        var waits = epoch is null && _optimizer is LowRankOptimizer { LeftOutLast: true };
        _next = epoch ?? (waits ? _completedSteps : _completedSteps + 1);
        base.step(waits ? checked((int)_next) : epoch);
        _completedSteps = _next;
    }

    /// <summary>Goes on where a run was that has been loaded into the optimizer, from its initial rates.</summary>
    internal void GoOnAfter(long completedSteps)
    {
        _initialRates = [.. _optimizer!.ParamGroups.Select(group => group.InitialLearningRate)];
        step(checked((int)completedSteps));
    }

    /// <summary>The rates of all groups.</summary>
    protected override IEnumerable<double> get_lr() => _initialRates?.Select(rate => rate * Schedule.Multiplier(_next)) ?? base.get_lr();
}
