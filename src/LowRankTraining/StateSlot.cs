namespace LowRankTraining;

/// <summary>Something that a rule, or a part of one, keeps about each parameter: a tensor or a counter, named once.</summary>
/// <remarks>Its name keys the <see cref="StateBag"/> and checkpoints. What is not listed (<see cref="Parts.UpdateRule.SlotsFor"/>) cannot be kept, and a name
/// that two parts have is refused, so that neither writes over the other.</remarks>
/// <param name="Name">Unique among all that is kept about a parameter: "exp_avg", "limiter_norm".</param>
public sealed record StateSlot(string Name)
{
    /// <value>What it takes between steps, for a float32 or half-precision parameter. Default 0: a counter, or what is there only between two calls.</value>
    public long Bytes { get; init; }

    /// <value>Whether it is float32 whatever the parameter's precision. Default false: numbers are float64 beside float64.</value>
    public bool IsSingle { get; init; }

    /// <summary>The slot with so many numbers in float32.</summary>
    public StateSlot Of(long numbers) => this with { Bytes = sizeof(float) * numbers };

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>The name.</summary>
    public static implicit operator string(StateSlot slot) => slot.Name;
}
