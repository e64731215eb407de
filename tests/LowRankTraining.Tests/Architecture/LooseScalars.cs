using System.Reflection;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Architecture;

/// <summary>
/// Calls of TorchSharp after which nothing holds a scalar that native code reads: another thread that collects garbage just then frees it. The build replaces
/// calls that take or make one by methods that hold it; operators cannot be replaced.
/// </summary>
internal static class LooseScalars
{
    public const string Because = "x * 0.5 is written x.mul(0.5), and a method of TorchSharp that makes a scalar inside has a row in HiddenScalars";

    private static readonly Dictionary<MethodBase, bool> Known = [];

    /// <summary>Those in the written code of an assembly.</summary>
    public static IEnumerable<string> In(Assembly assembly) => In(assembly.GetTypes().Where(type => type.Namespace != "LowRankTraining.ScalarCalls"));

    /// <summary>Method by method, "method: called".</summary>
    public static IEnumerable<string> In(IEnumerable<Type> types) =>
        from type in types
        from method in Instructions.MethodsOf(type)
        from called in Instructions.Called(method)
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
                || Instructions.Called(method).Any(called => called.Module == method.Module && (IsConversion(called) || LetsGo(called)));
        }

        return lets;
    }

    /// <summary>Whether a number becomes a scalar, or a scalar a number.</summary>
    private static bool IsConversion(MethodBase method) =>
        method.DeclaringType == typeof(Scalar) || method.DeclaringType == typeof(ScalarExtensionMethods) || method.Name == nameof(Tensor.ToScalar);
}
