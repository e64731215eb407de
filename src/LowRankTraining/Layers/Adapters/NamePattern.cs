using System.Text.RegularExpressions;

namespace LowRankTraining.Layers;

/// <summary>Names of layers as PEFT's patterns give them: a name, or the end of one from a dot on, or a regular expression for either.</summary>
internal static class NamePattern
{
    private const string Weight = ".weight";

    public static bool IsValid(string pattern)
    {
        try
        {
            return pattern.Length > 0 && Compiled(pattern) is not null;
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

    public static bool Matches(string pattern, string weight) => Compiled(pattern) is var regex && (regex.IsMatch(ModuleOf(weight)) || regex.IsMatch(weight));

    /// <summary>The value of the exact name, else of the first pattern that matches, else null.</summary>
    public static TValue? Choose<TValue>(IReadOnlyDictionary<string, TValue>? values, string weight) where TValue : struct
    {
        if (values is null)
            return null;
        if (values.TryGetValue(weight, out var exact) || values.TryGetValue(ModuleOf(weight), out exact))
            return exact;

        foreach (var (pattern, value) in values)
            if (Matches(pattern, weight))
                return value;
        return null;
    }

    private static Regex Compiled(string pattern) => new($@"^(.*\.)?({pattern})$", RegexOptions.CultureInvariant);
}
