namespace LowRankTraining.Mixing;

/// <summary>Every number of the gradients, one parameter after the other.</summary>
internal sealed class WholeGradients(IReadOnlyList<Parameter> parameters) : GradientView
{
    internal override string Layout => $"gradients of {Size(parameters)}";

    internal override Device Device => parameters[0].device;

    private protected override Tensor Compute() => Flat(parameters);

    /// <summary>A copy. Of a single tensor <c>cat</c> gives an alias, and the next backward pass would add to what was read.</summary>
    public static Tensor Flat(IEnumerable<Parameter> parameters)
    {
        Tensor[] gradients = [.. parameters.Select(Flat)];
        return gradients is [var only] ? only.clone() : cat(gradients);
    }

    private static Tensor Flat(Parameter parameter) => parameter.grad is { } gradient
        ? gradient.to(ScalarType.Float32).reshape(-1)
        : zeros(parameter.numel(), ScalarType.Float32, parameter.device);
}
