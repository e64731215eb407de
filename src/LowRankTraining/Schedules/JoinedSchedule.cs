namespace LowRankTraining.Schedules;

/// <summary>Several schedules, one after the other, each from its own step 0.</summary>
/// <remarks>The last part runs on after its duration. For example a constant rate for a full-rank warm start, then a
/// <see cref="JaggedCosineSchedule"/>.</remarks>
public sealed record JoinedSchedule : ILrSchedule
{
    /// <summary>Joins schedules.</summary>
    /// <param name="parts">Each with its duration in steps.</param>
    public JoinedSchedule(params (ILrSchedule Schedule, long Steps)[] parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        Parts = [.. parts];
    }

    /// <value>The schedules in their order, each with its duration in steps; at least one.</value>
    public IReadOnlyList<(ILrSchedule Schedule, long Steps)> Parts { get; }

    /// <inheritdoc/>
    public double Multiplier(long step)
    {
        foreach (var (schedule, steps) in Parts.SkipLast(1))
        {
            if (step < steps)
                return schedule.Multiplier(step);
            step -= steps;
        }

        return Parts[^1].Schedule.Multiplier(step);
    }

    /// <inheritdoc/>
    public void Check(Checks checks)
    {
        checks.Require(Parts.Count > 0, "A JoinedSchedule needs at least one part.");
        foreach (var ((schedule, steps), index) in Parts.Select((part, index) => (part, index)))
        {
            checks.Require(steps >= 1, $"Parts[{index}] lasts {steps} steps: it must last at least 1.");
            checks.Part(schedule, $"Parts[{index}]");
        }
    }
}
