using Microsoft.CodeAnalysis;

namespace LowRankTraining.ScalarCalls;

/// <summary>Methods of TorchSharp that make a scalar inside, and what to call instead: the same operations, so gradients too are equal to the bit.</summary>
internal static class HiddenScalars
{
    /// <summary>{0}, {1}, ... are the receiver and the arguments; Zero, One and Two live as long as the program.</summary>
    private static readonly Dictionary<string, string> Replacements = new()
    {
        ["Tensor.square()"] = "{0}.pow(Two)",
        ["Tensor.add(Tensor)"] = "{0}.add({1}, One)",
        ["Tensor.add_(Tensor)"] = "{0}.add_({1}, One)",
        ["Tensor.add(Scalar)"] = "{0}.add({1}, One)",
        ["Tensor.add_(Scalar)"] = "{0}.add_({1}, One)",
        ["torch.arange(Scalar, ScalarType?, Device, bool)"] = "torch.arange(Zero, {0}, One, {1}, {2}, {3})",
        ["torch.arange(Scalar, Scalar, ScalarType?, Device, bool)"] = "torch.arange({0}, {1}, One, {2}, {3}, {4})",
        ["TensorExtensionMethods.ToBoolean(Tensor)"] = "Read({0}, static scalar => scalar.ToBoolean())",
        ["TensorExtensionMethods.ToInt32(Tensor)"] = "Read({0}, static scalar => scalar.ToInt32())",
        ["TensorExtensionMethods.ToInt64(Tensor)"] = "Read({0}, static scalar => scalar.ToInt64())",
        ["TensorExtensionMethods.ToSingle(Tensor)"] = "Read({0}, static scalar => scalar.ToSingle())",
        ["TensorExtensionMethods.ToDouble(Tensor)"] = "Read({0}, static scalar => scalar.ToDouble())",
    };

    private static readonly SymbolDisplayFormat Names = SymbolDisplayFormat.MinimallyQualifiedFormat
        .RemoveMiscellaneousOptions(SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier);

    /// <summary>Null where nothing is hidden.</summary>
    public static string? Of(IMethodSymbol method)
    {
        var parameters = string.Join(", ", method.Parameters.Select(parameter => parameter.Type.ToDisplayString(Names)));
        return Replacements.TryGetValue($"{method.ContainingType.Name}.{method.Name}({parameters})", out var replacement) ? replacement : null;
    }
}
