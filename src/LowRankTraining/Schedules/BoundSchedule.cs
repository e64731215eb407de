namespace LowRankTraining.Schedules;

/// <summary>A schedule at work on an optimizer: a TorchSharp scheduler that also knows where it is.</summary>
/// <remarks>When state is loaded into a <see cref="LowRankOptimizer"/>, the schedules bound to it go on from the steps that were completed there; for other
/// optimizers <see cref="Checkpoints.TrainingCheckpoint.Load"/> sees to it. Where <see cref="LossScaler"/> has left out the step of a
/// <see cref="LowRankOptimizer"/>, it stands still. Groups of parameters that are added later follow it too, from their own initial rates.</remarks>
public sealed class BoundSchedule : optim.lr_scheduler.impl.LambdaLR
{
    // Null while TorchSharp's constructor runs.
    private readonly optim.Optimizer? _optimizer;
    private readonly int _bound;
    private readonly long _begin;
    private long _completedSteps, _next;

    internal BoundSchedule(ILrSchedule schedule, optim.Optimizer optimizer, long completedSteps)
        : base(optimizer, epoch => schedule.Multiplier(epoch), checked((int)completedSteps) - 1)
    {
        // TorchSharp's constructor takes a step of its own, before this line.
        (Schedule, _optimizer, _completedSteps) = (schedule, optimizer, completedSteps);
        _bound = optimizer.ParamGroups.Count();
        if (optimizer is not LowRankOptimizer own)
            return;

        _begin = own.CompletedSteps - completedSteps;
        own.Resumed += GoOnAfter;
        own.GroupAdded += Lead;
    }

    /// <value>The schedule.</value>
    public ILrSchedule Schedule { get; }

    /// <value>Completed optimizer steps, as far as this scheduler has been told by <c>step()</c> or by a checkpoint.</value>
    public long CompletedSteps => _completedSteps;

    /// <value>The same, counted as a <see cref="LowRankOptimizer"/> counts them: it may have taken steps before the schedule began.</value>
    internal long CompletedStepsOfRun => _begin + _completedSteps;

    /// <summary>Sets the rates for the next update, or for the one after <paramref name="epoch"/> updates.</summary>
    public override void step(int? epoch)
    {
        var waits = epoch is null && _optimizer is LowRankOptimizer { LeftOutLast: true };
        _next = epoch ?? (waits ? _completedSteps : _completedSteps + 1);
        base.step(waits ? checked((int)_next) : epoch);
        _completedSteps = _next;

        // TorchSharp leaves those alone that were added since.
        foreach (var group in _optimizer?.ParamGroups.Skip(_bound) ?? [])
            Lead(group);
    }

    /// <summary>Goes on where a run was that has been loaded into the optimizer, from its initial rates.</summary>
    internal void GoOnAfter(long completedSteps) => step(checked((int)Math.Max(0, completedSteps - _begin)));

    /// <summary>The rates of all groups.</summary>
    protected override IEnumerable<double> get_lr() =>
        _optimizer?.ParamGroups.Select(group => group.InitialLearningRate * Schedule.Multiplier(_next)) ?? base.get_lr();

    private void Lead(optim.ILearningRateController group) => group.LearningRate = group.InitialLearningRate * Schedule.Multiplier(_completedSteps);
}

/// <summary>From a schedule to a TorchSharp scheduler.</summary>
public static class ScheduleExtensions
{
    /// <summary>Puts a schedule to work on an optimizer, any of TorchSharp's own or a <see cref="LowRankOptimizer"/>.</summary>
    /// <param name="schedule">What to follow.</param>
    /// <param name="optimizer">Its groups' initial rates are what the schedule multiplies. Load its state first
    /// when a run goes on: initial rates are part of it.</param>
    /// <param name="completedSteps">Updates made so far. Default: those that a <see cref="LowRankOptimizer"/> has counted, and 0 for others; give 0 to begin a
    /// schedule from the start.</param>
    /// <returns>Call its <c>step()</c> after every <c>optimizer.step()</c>.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The schedule contradicts itself; everything that is wrong is listed. The
    /// optimizer is as it was.</exception>
    /// <exception cref="InvalidOperationException">The optimizer was disposed, or its model was moved or disposed.</exception>
    public static BoundSchedule Bind(this ILrSchedule schedule, optim.Optimizer optimizer, long? completedSteps = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentOutOfRangeException.ThrowIfNegative(completedSteps ?? 0, nameof(completedSteps));
        Checks.Require(schedule);
        (optimizer as LowRankOptimizer)?.RequireLiveParameters();
        return new BoundSchedule(schedule, optimizer, completedSteps ?? (optimizer as LowRankOptimizer)?.CompletedSteps ?? 0);
    }
}
