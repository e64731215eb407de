using System.Text.Json.Nodes;
using LowRankTraining.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>All options of a method, its parts included, in its text form: what a checkpoint says about how it was made.</summary>
internal static class MethodDescription
{
    /// <summary>The options of a method, or null where there is none.</summary>
    public static JsonObject? Of(object? method) => method is null ? null : PartWriter.Full(method);

    /// <summary>Every option that is not what it was, in the order of their names. None where one of the descriptions is not known.</summary>
    public static IReadOnlyList<OptionChange> Changes(JsonObject? saved, object? method) =>
        saved is null || KindOf(saved) is null || method is null ? [] : [.. Compare(method.GetType().Name, saved, Of(method))];

    private static string? KindOf(JsonObject part) => (part[PartWriter.MethodKey] ?? part[PartWriter.KindKey])?.ToString();

    private static IEnumerable<OptionChange> Compare(string path, JsonNode? saved, JsonNode? current)
    {
        if (saved is JsonObject before && current is JsonObject now && KindOf(before) == KindOf(now))
            return now.Select(option => option.Key).Union(before.Select(option => option.Key)).Order(StringComparer.Ordinal)
                .SelectMany(name => Compare($"{path}.{name}", before[name], now[name]));
        return saved?.ToJsonString() == current?.ToJsonString() ? [] : [new OptionChange(path, Text(saved), Text(current))];
    }

    private static string Text(JsonNode? node) => node is JsonObject part && KindOf(part) is { } kind ? kind : node?.ToJsonString() ?? "null";
}

/// <summary>An option that is not what it was when a checkpoint was saved.</summary>
/// <param name="Path">Where it is, from the method on: "Fira.Rank".</param>
/// <param name="Saved">Its value in the checkpoint.</param>
/// <param name="Current">Its value now.</param>
internal sealed record OptionChange(string Path, string Saved, string Current)
{
    private const int Longest = 80;

    /// <summary>All changes in a sentence of their own, or nothing.</summary>
    public static string Sentence(IReadOnlyList<OptionChange> changes) => changes.Count == 0 ? "" : $" {string.Join("; ", changes)}.";

    public override string ToString() => $"{Path} was {Brief(Saved)} in the checkpoint and is {Brief(Current)}";

    /// <summary>As much of a value as a sentence can hold.</summary>
    private static string Brief(string value) => value.Length > Longest ? $"{value[..Longest]}..." : value;
}
