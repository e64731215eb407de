using System.Reflection;
using System.Runtime.CompilerServices;

namespace LowRankTraining.Tests.Architecture;

/// <summary>Numbers in texts that are written as the user's country writes them: 0,05 in Germany, where options are given as 0.05. Other
/// ways to write them are seen by the compiler (CA1305).</summary>
internal static class LooseNumbers
{
    public const string Because = $"numbers with a fraction go into texts by {nameof(FormattableString)}.{nameof(FormattableString.Invariant)}";

    /// <summary>Those in an assembly, by the method.</summary>
    public static IEnumerable<string> In(Assembly assembly) => assembly.GetTypes().SelectMany(In);

    /// <summary>Those in a type.</summary>
    public static IEnumerable<string> In(Type type) => Instructions.MethodsOf(type).Where(IsLoose).Select(method => $"{type.Name}.{method.Name}");

    private static bool IsLoose(MethodBase method)
    {
        var isInvariant = false;
        foreach (var called in Instructions.Called(method))
        {
            if (called.DeclaringType != typeof(DefaultInterpolatedStringHandler))
                continue;
            if (called.IsConstructor)
                isInvariant = called.GetParameters().Length > 2;
            else if (!isInvariant && called.IsGenericMethod && HasFraction(called.GetGenericArguments()[0]))
                return true;
        }
        return false;
    }

    private static bool HasFraction(Type type) => (Nullable.GetUnderlyingType(type) ?? type) is var number
        && (number == typeof(double) || number == typeof(float) || number == typeof(decimal) || number == typeof(Half));
}
