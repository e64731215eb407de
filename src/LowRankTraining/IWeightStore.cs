namespace LowRankTraining;

/// <summary>Where the numbers of a trained weight are kept between steps, when not in the parameter itself.</summary>
/// <remarks>The optimizer opens it, adds decay and update in computing precision, and closes it: one rounding a step.
/// It is opened only where the gradient is usable.</remarks>
internal interface IWeightStore
{
    /// <value>The weight's shape, which is that of its gradient.</value>
    long[] Shape { get; }

    /// <value>Bytes that the weight takes as it is stored.</value>
    long WeightBytes { get; }

    /// <summary>The weight in computing precision: float64 for float64 parameters, float32 for all others.</summary>
    /// <returns>Is changed in place, then given to <see cref="Close"/>: a temporary of the current dispose scope, or the
    /// weight itself where nothing has to be converted.</returns>
    Tensor Open();

    /// <summary>Puts the changed weight back.</summary>
    void Close(Tensor accumulator, in StepContext step);
}

/// <summary>A weight that is kept in its parameter: in half precision it is rounded stochastically.</summary>
/// <remarks>One that does not lie row by row, as a transposed or a channels-last one, is updated in a copy that does: sums are then rounded alike for every
/// layout.</remarks>
internal sealed class ParameterStore(Parameter parameter) : IWeightStore
{
    public long[] Shape => parameter.shape;

    public long WeightBytes => parameter.NumberOfElements * parameter.ElementSize;

    public Tensor Open() => parameter.Widened().Packed();

    public void Close(Tensor accumulator, in StepContext step)
    {
        if (ReferenceEquals(accumulator, parameter))
            return;

        if (accumulator.dtype == parameter.dtype)
        {
            parameter.copy_(accumulator);
            return;
        }

        using var generator = step.Generator("rounding");
        StochasticRounding.Copy(accumulator, parameter, generator);
    }
}

/// <summary>A weight in half precision whose next 8 bits are kept in the optimizer's state: it is rounded to the nearest, and nothing is drawn.</summary>
internal sealed class RemainderStore(Parameter parameter, StateBag state) : IWeightStore
{
    private static readonly StateSlot Remainder = new("weight_remainder");

    public long[] Shape => parameter.shape;

    public long WeightBytes => parameter.NumberOfElements * parameter.ElementSize;

    /// <summary>What is kept about a weight of so many numbers.</summary>
    public static StateSlot SlotFor(long elements) => Remainder with { Bytes = elements };

    /// <summary>Removes what belongs to a weight that is kept in another way.</summary>
    public static void Drop(StateBag state) => state.Remove(Remainder);

    public Tensor Open()
    {
        if (!state.TryGet(Remainder, out var remainder))
            return parameter.Widened().Packed();

        var accumulator = empty(parameter.shape, ScalarType.Float32, parameter.device);
        RoundingRemainder.Join(parameter.Packed(), remainder, accumulator);
        return accumulator;
    }

    public void Close(Tensor accumulator, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var remainder = state.GetOrAdd(Remainder, () => empty(parameter.shape, ScalarType.Int8, parameter.device));
        var rounded = parameter.Packed();
        RoundingRemainder.Split(accumulator, rounded, remainder);
        parameter.PutBack(rounded);
    }
}
