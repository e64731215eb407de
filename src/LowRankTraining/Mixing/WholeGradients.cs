namespace LowRankTraining.Mixing;

/// <summary>Every number of the gradients, one parameter after the other.</summary>
internal sealed class WholeGradients(IReadOnlyList<Parameter> parameters) : GradientView
{
    internal override string Layout => $"gradients of {Size(parameters)}";

    internal override Device Device => parameters[0].device;

    private protected override Tensor Compute() => Flat(parameters);

    /// <summary>A copy, on the device of the first parameter. Of a single tensor <c>cat</c> gives an alias, and the next backward pass would add to what was
    /// read.</summary>
    public static Tensor Flat(IReadOnlyList<Parameter> parameters)
    {
        Tensor[] gradients = [.. parameters.Select(parameter => Flat(parameter, parameters[0].device))];
        return gradients is [var only] ? only.clone() : cat(gradients);
    }

    private static Tensor Flat(Parameter parameter, Device device) => parameter.grad is { } gradient
        ? gradient.to(ScalarType.Float32, device).reshape(-1)
        : zeros(parameter.numel(), ScalarType.Float32, device);
}
