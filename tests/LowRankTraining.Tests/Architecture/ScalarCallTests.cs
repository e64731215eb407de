using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Architecture;

/// <summary>
/// A scalar that nothing holds can be freed while native code reads it, if another thread collects garbage just then. The build replaces calls that take or
/// make one by methods that hold it; operators cannot be replaced.
/// </summary>
public class ScalarCallTests
{
    private const BindingFlags Declared =
        BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;

    private static readonly Dictionary<MethodBase, bool> Known = [];

    [Fact]
    public void No_code_lets_go_of_a_scalar_that_native_code_reads() =>
        Loose(typeof(ILowRankStrategy).Assembly.GetTypes().Where(type => type.Namespace != "LowRankTraining.ScalarCalls"))
            .Should().BeEmpty("x * 0.5 is written x.mul(0.5), and a method of TorchSharp that makes a scalar inside has a row in HiddenScalars");

    [Fact]
    public void Each_kind_is_seen() =>
        Loose([typeof(ScalarCallTests)]).Should().BeEquivalentTo([
            $"{nameof(Takes)}: mul_", $"{nameof(ByOperator)}: op_Division", $"{nameof(Makes)}: square", $"{nameof(Reads)}: ToDouble",
            $"{nameof(Adds)}: op_Addition",
        ]);

    private static Tensor Takes(Tensor x) => x.mul_(0.5);

    private static Tensor ByOperator(Tensor x) => x / 3;

    private static Tensor Makes(Tensor x) => x.square();

    private static double Reads(Tensor x) => x.ToDouble();

    private static Tensor Adds(Tensor x) => x + x;

    private static IEnumerable<string> Loose(IEnumerable<Type> types) =>
        from type in types
        from method in type.GetMethods(Declared).Concat<MethodBase>(type.GetConstructors(Declared))
        from called in Called(method)
        where called.Module == typeof(Tensor).Module && LetsGo(called)
        select $"{method.Name}: {called.Name}";

    /// <summary>Whether a method of TorchSharp takes a scalar, or comes to make one itself.</summary>
    private static bool LetsGo(MethodBase method)
    {
        if (IsConversion(method))
            return false;
        if (!Known.TryGetValue(method, out var lets))
        {
            Known[method] = false;
            Known[method] = lets = method.GetParameters().Any(parameter => parameter.ParameterType == typeof(Scalar))
                || Called(method).Any(called => called.Module == method.Module && (IsConversion(called) || LetsGo(called)));
        }

        return lets;
    }

    /// <summary>Whether a number becomes a scalar, or a scalar a number.</summary>
    private static bool IsConversion(MethodBase method) =>
        method.DeclaringType == typeof(Scalar) || method.DeclaringType == typeof(ScalarExtensionMethods) || method.Name == nameof(Tensor.ToScalar);

    private static IEnumerable<MethodBase> Called(MethodBase method)
    {
        if (method.GetMethodBody()?.GetILAsByteArray() is not { } code)
            return [];
        var ofType = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        var ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : null;
        return Instructions.Tokens(code)
            .Where(used => used.Token.Kind is HandleKind.MethodDefinition or HandleKind.MemberReference or HandleKind.MethodSpecification)
            .Select(used => method.Module.ResolveMember(MetadataTokens.GetToken(used.Token), ofType, ofMethod)).OfType<MethodBase>();
    }
}
