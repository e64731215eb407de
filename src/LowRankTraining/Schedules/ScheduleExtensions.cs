namespace LowRankTraining.Schedules;

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
