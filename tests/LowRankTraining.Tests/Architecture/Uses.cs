namespace LowRankTraining.Tests.Architecture;

internal class UsedAsBase;
internal interface IUsedAsInterface;
internal abstract class UsedAsConstraint;
internal sealed class UsedAsField;
internal sealed class UsedAsParameter;
internal sealed class UsedAsArgument;
internal static class UsedInLambda
{
    public static int Number { get; set; }
}
internal sealed class UsedInIterator;
internal sealed class UsedInPattern;
internal sealed class UsedInCatch : Exception;

/// <summary>Uses the types above, each in one way.</summary>
internal sealed class User<T> : UsedAsBase, IUsedAsInterface where T : UsedAsConstraint
{
    private readonly UsedAsField[] _field = [];

    public int Count => _field.Length;

    public static void Takes(Func<UsedAsParameter> _) { }

    public static object Makes() => new List<UsedAsArgument>();

    public static Func<int> Defers(int number) => () => number + UsedInLambda.Number;

    public static IEnumerable<object> Yields()
    {
        yield return new UsedInIterator();
    }

    public static bool Tests(object value) => value is UsedInPattern;

    public static void Catches(Action action)
    {
        try
        {
            action();
        }
        catch (UsedInCatch)
        {
        }
    }
}
