using System.Text.RegularExpressions;

namespace LowRankTraining.Text;

/// <summary>Names in the text form of methods: "warm-started" for a <c>WarmStartedBasis</c>.</summary>
internal static partial class KindName
{
    /// <summary>The name of a type in small letters, without its last word where the interfaces and classes that it is made from have that word too.</summary>
    public static string Of(Type part)
    {
        var (words, last) = (Words(part.Name), Words(part.Name)[^1]);
        return words.Length > 1 && Families(part).Any(family => Words(family.Name).Contains(last)) ? Join(words[..^1]) : Join(words);
    }

    /// <summary>"AllMatrices" as "all-matrices".</summary>
    public static string Of(string name) => Join(Words(name));

    /// <summary>What a family of parts is called in a sentence: "refresh policy".</summary>
    public static string Noun(Type family) => family == typeof(ILowRankStrategy) ? "method"
        : string.Join(' ', Words(family.Name).Select(word => word == "Lr" ? "learning-rate" : word)).ToLowerInvariant();

    /// <summary>Whether two names differ in nothing but case and dashes.</summary>
    public static bool AreSame(string one, string other) => Bare(one).Equals(Bare(other), StringComparison.OrdinalIgnoreCase);

    private static string Bare(string name) => name.Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal);

    private static IEnumerable<Type> Families(Type part)
    {
        for (var type = part.BaseType; type is not null && type != typeof(object); type = type.BaseType)
            yield return type;
        foreach (var type in part.GetInterfaces().Where(type => type != typeof(IPart) && type.IsAssignableTo(typeof(IPart))))
            yield return type;
    }

    private static string Join(string[] words) => string.Join('-', words).ToLowerInvariant();

    /// <summary>The words of a name; the I of an interface is none.</summary>
    private static string[] Words(string name) =>
        WordStart().Split(name.Length > 1 && name[0] == 'I' && char.IsUpper(name[1]) ? name[1..] : name);

    [GeneratedRegex("(?<=[a-z])(?=[A-Z])")]
    private static partial Regex WordStart();
}
