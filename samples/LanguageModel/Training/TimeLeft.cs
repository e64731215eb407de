using System.Diagnostics;

namespace LanguageModel.Training;

/// <summary>How long a run will go on: its steps at the pace so far, and its validations, which may take longer than the steps between them.</summary>
/// <param name="validationInSteps">Tokens of a validation, in units of a step's tokens.</param>
public sealed class TimeLeft(double validationInSteps)
{
    /// <summary>A validation has the forward pass only, which is about a third of a step's work.</summary>
    private const double ForwardShare = 1.0 / 3;

    private double validationSeconds;
    private long steps;
    private long validations;

    /// <value>Seconds spent in steps.</value>
    public double StepSeconds { get; private set; }

    /// <summary>Adds a step that took <paramref name="seconds"/>.</summary>
    public void AddStep(double seconds) => (StepSeconds, steps) = (StepSeconds + seconds, steps + 1);

    /// <summary>Adds a validation that took <paramref name="seconds"/>.</summary>
    public void AddValidation(double seconds) => (validationSeconds, validations) = (validationSeconds + seconds, validations + 1);

    /// <summary>Time for so many steps and validations more; 0 before the first step.</summary>
    public TimeSpan Estimate(long stepsLeft, long validationsLeft)
    {
        var step = steps == 0 ? 0 : StepSeconds / steps;
        var validation = validations == 0 ? ForwardShare * validationInSteps * step : validationSeconds / validations;
        return TimeSpan.FromSeconds(stepsLeft * step + validationsLeft * validation);
    }

    /// <summary>Runs <paramref name="work"/> and tells <paramref name="add"/> the seconds it took.</summary>
    internal static T Timed<T>(Action<double> add, Func<T> work)
    {
        var start = Stopwatch.GetTimestamp();
        var result = work();
        add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        return result;
    }
}
