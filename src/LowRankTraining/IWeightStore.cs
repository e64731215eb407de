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
