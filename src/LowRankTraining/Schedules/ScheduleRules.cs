using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Schedules;

/// <summary>Checks that schedules share.</summary>
internal static class ScheduleRules
{
    /// <exception cref="OptionsValidationException">At least one rule is violated; all of them are listed.</exception>
    public static void Require(ILrSchedule schedule)
    {
        var failures = FailuresOf(schedule).ToArray();
        if (failures.Length > 0)
            throw new OptionsValidationException(schedule.GetType().Name, schedule.GetType(), failures);
    }

    public static IEnumerable<string> FailuresOf(ILrSchedule schedule) =>
        schedule is IValidatableObject rules ? rules.Validate(new ValidationContext(schedule)).Select(failure => failure.ErrorMessage!) : [];

    public static IEnumerable<ValidationResult> Check(params (bool Holds, string Otherwise)[] rules) =>
        rules.Where(rule => !rule.Holds).Select(rule => new ValidationResult(rule.Otherwise));

    public static (bool, string) AtLeastOne(long value, string name) => (value >= 1, $"{name} is {value}: it must be at least 1.");

    public static (bool, string) NotNegative(long value, string name) => (value >= 0, $"{name} is {value}: it must be at least 0.");

    public static (bool, string) WithinTotal(long warmup, long total) => (warmup <= total, $"Warmup is {warmup}, longer than TotalSteps ({total}).");

    public static (bool, string) Ratio(double value, string name, bool zeroAllowed = false) =>
        ((value > 0 || (zeroAllowed && value == 0)) && value <= 1, $"{name} is {value}: it must be {(zeroAllowed ? "at least" : "above")} 0 and at most 1.");
}
