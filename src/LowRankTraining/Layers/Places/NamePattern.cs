using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace LowRankTraining.Layers;

/// <summary>Names of layers as PEFT's patterns give them: a name, or the end of one from a dot on, or a regular expression for either.</summary>
internal static class NamePattern
{
    /// <summary>Expressions that are kept at one time.</summary>
    public const int MostMade = 64;

    private const string Weight = ".weight";
    private const int Longest = 1000;

    /// <summary>Expressions, each of which is asked about every layer, and takes some hundred kilobytes to make.</summary>
    private static readonly ConcurrentDictionary<string, Regex> Made = new();

    private static readonly TimeSpan LongestTime = TimeSpan.FromSeconds(1);

    /// <summary>Whether it is a pattern. Its expression is looked at, and not made.</summary>
    public static bool IsValid(string pattern)
    {
        if (pattern.Length == 0 || IsPlain(pattern))
            return pattern.Length > 0;
        try
        {
            return pattern.Length <= Longest && new Regex(Whole(pattern)) is not null;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>The name of the module that a weight belongs to.</summary>
    public static string ModuleOf(string weight) =>
        $".{weight}".EndsWith(Weight, StringComparison.Ordinal)
        ? weight[..Math.Max(0, weight.Length - Weight.Length)]
        : weight;

    /// <summary>Whether a pattern is for the module of a weight; or for the weight, which it then has to name: "w.*" is for modules only, as in PEFT.</summary>
    /// <exception cref="ArgumentException">The pattern is none, or takes too long.</exception>
    public static bool Matches(string pattern, string weight) =>
        IsMatch(pattern, ModuleOf(weight)) || (pattern.Contains(Weight[1..], StringComparison.Ordinal) && IsMatch(pattern, weight));

    /// <summary>The value of the first pattern that matches, else null.</summary>
    public static TValue? Choose<TValue>(IReadOnlyDictionary<string, TValue>? values, string weight, Func<string, string, bool>? matches = null)
        where TValue : struct
    {
        foreach (var (pattern, value) in values ?? new Dictionary<string, TValue>())
            if ((matches ?? Matches)(pattern, weight))
                return value;
        return null;
    }

    /// <summary>Most patterns are names, for which no expression has to be compiled. A dot stands for any letter, as in one.</summary>
    public static bool IsPlain(string pattern) =>
        pattern.Length > 0 && pattern.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-' or '.');

    private static string Whole(string pattern) => $@"^(.*\.)?({pattern})$";

    private static bool IsMatch(string pattern, string name)
    {
        if (IsPlain(pattern))
            return EndsWith(name, pattern);

        try
        {
            if (Made.Count >= MostMade)
                Made.Clear();
            return Made.GetOrAdd(pattern, Compiled).IsMatch(name);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new ArgumentException($"The pattern '{pattern}' has more ways to match '{name}' than can be tried: "
                + "write it without repetitions in repetitions.");
        }
    }

    private static bool EndsWith(string name, string pattern) =>
        name.Length >= pattern.Length && (name.Length == pattern.Length || name[^(pattern.Length + 1)] == '.')
        && name.Skip(name.Length - pattern.Length).Zip(pattern).All(pair => pair.First == pair.Second || (pair.Second == '.' && pair.First != '\n'));

    /// <summary>An expression whose time grows with the name, and not with the ways to match it; one that looks around or back needs those ways, and gets
    /// a second.</summary>
    private static Regex Compiled(string pattern)
    {
        if (pattern.Length > Longest)
            throw new ArgumentException($"A pattern of {pattern.Length} letters is none: {Longest} are the most.");

        try
        {
            return new(Whole(pattern), RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, LongestTime);
        }
        catch (NotSupportedException)
        {
            return new(Whole(pattern), RegexOptions.CultureInvariant, LongestTime);
        }
    }
}
