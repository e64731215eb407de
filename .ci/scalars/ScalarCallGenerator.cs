using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LowRankTraining.ScalarCalls;

/// <summary>
/// Holds scalars until native code is done with them. TorchSharp hands native code a handle, and from then on nothing refers to the object that owns it:
/// a garbage collection which another thread begins meanwhile frees the scalar while it is read. Each call that takes or makes one is replaced by a method
/// that frees it afterwards, which also spares the finalizer: <c>m.mul_(0.9)</c> stays as it is written.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class ScalarCallGenerator : IIncrementalGenerator
{
    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var calls = context.SyntaxProvider
            .CreateSyntaxProvider(
                (node, _) => node is InvocationExpressionSyntax,
                (found, token) => ScalarCall.At(found.SemanticModel, (InvocationExpressionSyntax)found.Node, token))
            .Where(call => call.Place is not null)
            .Collect();
        context.RegisterSourceOutput(calls, (output, found) => Write(output, found));
    }

    private static void Write(SourceProductionContext output, ImmutableArray<ScalarCall> calls)
    {
        if (!calls.IsEmpty)
            output.AddSource("ScalarCalls.g.cs", Interceptors.Of(calls));
    }
}
