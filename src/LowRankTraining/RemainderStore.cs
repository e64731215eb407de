namespace LowRankTraining;

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
        if (!ReferenceEquals(rounded, parameter))
            parameter.copy_(rounded);
    }
}
