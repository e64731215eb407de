using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Schedules;

/// <summary>A schedule that can contradict itself, and says how.</summary>
internal interface IRuledSchedule : ILrSchedule
{
    /// <summary>The rules that its settings obey.</summary>
    OptionsRules Rules();
}

/// <summary>Refuses schedules that contradict themselves.</summary>
internal static class ScheduleRules
{
    /// <exception cref="OptionsValidationException">At least one rule is violated; all of them are listed.</exception>
    public static void Require(ILrSchedule schedule)
    {
        var failures = FailuresOf(schedule).ToArray();
        if (failures.Length > 0)
            throw new OptionsValidationException(schedule.GetType().Name, schedule.GetType(), failures);
    }

    public static IEnumerable<string> FailuresOf(ILrSchedule schedule) => (schedule as IRuledSchedule)?.Rules().Result.Failures ?? [];
}
