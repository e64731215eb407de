namespace LowRankTraining;

/// <content>The parameter's gradient, as the backward pass has left it and as the rule has taken it.</content>
internal sealed partial class ParameterState
{
    public bool HasGradient => Parameter.HasGradient();

    /// <value>What the rule has taken of the gradient in its subspace; null for nothing.</value>
    public Tensor? Accumulated => Plan.Rule.AccumulatedIn(Bag);

    /// <value>What has been taken of the gradient: accumulated, and lane by lane.</value>
    public IEnumerable<Tensor?> Taken => Lanes.Tensors.Append(Accumulated);

    /// <value>Whether the next update needs of a gradient only products with thin matrices.</value>
    public bool NeedsOnlyProducts => Plan.Rule.NeedsOnlyProducts(Plan.Shape, Bag, Context);

    /// <summary>The gradient as it stands, or null. A sparse one, as embeddings can have, gets all of its rows first: rules look at whole matrices.</summary>
    public Tensor? DenseGradient()
    {
        var gradient = Parameter.grad;
        if (gradient is not { is_sparse: true })
            return gradient;

        using (gradient)
        using (var dense = gradient.to_dense())
            Parameter.grad = dense;
        return Parameter.grad;
    }

    /// <summary>The gradient to be written to, or null. One that shows a number in several places, as <c>expand</c> makes it, gets memory for each
    /// first.</summary>
    public Tensor? WritableGradient()
    {
        var gradient = Parameter.grad;
        if (gradient is null || gradient.is_sparse || !gradient.stride().Zip(gradient.shape).Any(axis => axis is { First: 0, Second: > 1 }))
            return gradient;

        using (gradient)
        using (var own = gradient.contiguous())
            Parameter.grad = own;
        return Parameter.grad;
    }

    /// <summary>Gives the parameter a gradient of zeros.</summary>
    public Tensor SetZeroGradient()
    {
        using (var zero = zeros(Plan.Shape, Parameter.dtype, Parameter.device))
            Parameter.grad = zero;
        return Parameter.grad!;
    }

    /// <summary>Takes a gradient into the subspace, where that is all that the next update needs of it.</summary>
    /// <param name="gradient">In computing precision.</param>
    public bool TryAccumulate(Tensor gradient) => Plan.Rule.TryAccumulate(gradient, Bag, Context);

    /// <summary>What has been accumulated; zeros where nothing has.</summary>
    /// <exception cref="InvalidOperationException">Here the next update needs the whole gradient.</exception>
    public Tensor ProjectedOrZeros()
    {
        if (Accumulated is { } projected)
            return projected;

        using var scope = NewDisposeScope();
        if (!TryAccumulate(zeros(Plan.Shape, Parameter.dtype.Computing(), Parameter.device)))
            throw new InvalidOperationException(
                $"Another process projects the gradient of '{Plan.Name}', and this one needs all of it: their states are not those of one run. "
                + "Load the same checkpoint in every process.");
        return Accumulated!;
    }

    public void DropAccumulated() => Plan.Rule.DropAccumulated(Bag);

    /// <summary>Multiplies all that waits for the step.</summary>
    public void Scale(double factor)
    {
        using var gradient = WritableGradient();
        gradient?.mul_(factor);
        Accumulated?.mul_(factor);
    }
}
