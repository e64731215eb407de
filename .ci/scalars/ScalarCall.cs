using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace LowRankTraining.ScalarCalls;

/// <summary>One call of TorchSharp that takes or makes a scalar.</summary>
/// <param name="place">The attribute that names the call to the compiler.</param>
/// <param name="head">Result and parameters of a method that can stand in for it.</param>
/// <param name="body">Its statements.</param>
internal readonly struct ScalarCall(string place, string head, string body) : IEquatable<ScalarCall>
{
    private static readonly SymbolDisplayFormat Types = SymbolDisplayFormat.FullyQualifiedFormat
        .AddMiscellaneousOptions(SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier);

    public string? Place { get; } = place;

    public string Head { get; } = head;

    public string Body { get; } = body;

    /// <summary>The call of this syntax; without a place where it concerns no scalar.</summary>
    public static ScalarCall At(SemanticModel model, InvocationExpressionSyntax syntax, CancellationToken token)
    {
        if (model.GetOperation(syntax, token) is not IInvocationOperation { TargetMethod: { IsGenericMethod: false } method } call
            || method.ContainingAssembly?.Name != "TorchSharp")
            return default;
        var makes = HiddenScalars.Of(method);
        if ((makes is null && !method.Parameters.Any(IsScalar)) || model.GetInterceptableLocation(syntax, token) is not { } location)
            return default;

        var isInstance = !method.IsStatic;
        var names = method.Parameters.Select((_, i) => $"p{i}").ToArray();
        var declared = method.Parameters.Select((parameter, i) => $"{parameter.Type.ToDisplayString(Types)} {names[i]}");
        var receiver = isInstance ? $"this {method.ContainingType.ToDisplayString(Types)} self" : method.IsExtensionMethod ? "this " : "";
        var head = $"{method.ReturnType.ToDisplayString(Types)} {{0}}({receiver}{(isInstance && names.Length > 0 ? ", " : "")}{string.Join(", ", declared)})";

        var type = method.ContainingType.ToDisplayString(SymbolDisplayFormat.FullyQualifiedFormat);
        var result = makes is null
            ? $"{(isInstance ? "self" : type)}.{method.Name}({string.Join(", ", names)})"
            : string.Format(CultureInfo.InvariantCulture, makes, [.. isInstance ? ["self", .. names] : names]);
        var owned = call.Arguments.Where(IsMadeHere).Select(argument => names[argument.Parameter!.Ordinal]).ToArray();
        var kept = method.Parameters.Where(parameter => parameter.Type.IsReferenceType).Select(parameter => names[parameter.Ordinal]).Except(owned);
        var body = string.Concat([
            $"var result = {result};",
            .. owned.Select(name => $" {name}.Dispose();"),
            .. (isInstance ? ["self", .. kept] : kept).Select(name => $" global::System.GC.KeepAlive({name});"),
            " return result;"]);
        return new(location.GetInterceptsLocationAttributeSyntax(), head, body);
    }

    public bool Equals(ScalarCall other) => (Place, Head, Body) == (other.Place, other.Head, other.Body);

    public override bool Equals(object? obj) => obj is ScalarCall other && Equals(other);

    public override int GetHashCode() => Place?.GetHashCode() ?? 0;

    /// <summary>Whether a number became a scalar in the call itself, so that nobody else has it.</summary>
    private static bool IsMadeHere(IArgumentOperation argument) =>
        argument.Value is IConversionOperation { OperatorMethod.ContainingType: var type } && type.Name == "Scalar" && IsScalar(argument.Parameter!);

    private static bool IsScalar(IParameterSymbol parameter) => parameter.Type is { Name: "Scalar", ContainingNamespace.Name: "TorchSharp" };
}
