using System.Text.RegularExpressions;

namespace LowRankTraining.Strategies;

/// <summary>What a method may be called: its name stands in checkpoints and in configuration.</summary>
internal static partial class MethodName
{
    public static bool IsValid(string? name) => name is not null && Pattern().IsMatch(name);

    public static string Refusal(string? name) =>
        $"'{name}' cannot name a method: use lower-case letters, digits, dots and dashes, such as \"contoso.warm-sign\".";

    [GeneratedRegex("^[a-z0-9.-]+$")]
    private static partial Regex Pattern();
}
