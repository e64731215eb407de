using System.Text.Json;
using System.Text.Json.Nodes;
using LowRankTraining.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>All options of a method, its parts included, in its text form: what a checkpoint says about how it was made.</summary>
internal static class MethodDescription
{
    private const int Most = 100, LongestName = 4000;

    /// <summary>The options of a method, or null where there is none.</summary>
    public static JsonObject? Of(object? method) => method is null ? null : PartWriter.Full(method);

    /// <summary>Every option that is not what it was, in the order of their names; so many of them as can be told, where they are very many. None where one of
    /// the descriptions is not known.</summary>
    public static IReadOnlyList<OptionChange> Changes(JsonView? saved, object? method)
    {
        var changes = new List<OptionChange>();
        if (saved is { } before && method is not null && KindOf(before) is not null)
            Compare(method.GetType().Name, before, Of(method), changes);
        return [.. changes.OrderBy(change => change.Path, StringComparer.Ordinal)];
    }

    private static string? KindOf(JsonObject part) => (part[PartWriter.MethodKey] ?? part[PartWriter.KindKey])?.ToString();

    private static string? KindOf(JsonView part)
    {
        foreach (var (key, value) in part.Entries)
            if (key.Is(PartWriter.MethodKey) || key.Is(PartWriter.KindKey))
                return value.Short();
        return null;
    }

    private static void Compare(string path, JsonView saved, JsonNode? current, List<OptionChange> changes)
    {
        if (saved.Type == JsonTokenType.StartObject && current is JsonObject now && KindOf(saved) == KindOf(now))
            CompareEntries(path, saved, now, changes);
        else if (!saved.Json.SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(current, CheckpointManifest.Json)))
            changes.Add(new(path, KindOf(saved) ?? saved.ShortJson(OptionChange.Longest), Text(current)));
    }

    private static void CompareEntries(string path, JsonView saved, JsonObject current, List<OptionChange> changes)
    {
        var missing = current.Select(option => option.Key).ToHashSet();
        foreach (var (key, value) in saved.Entries)
        {
            if (changes.Count == Most)
                return;
            var name = key.Short(LongestName);
            missing.Remove(name);
            Compare($"{path}.{name}", value, current[name], changes);
        }

        foreach (var name in missing.Where(name => current[name] is not null))
            changes.Add(new($"{path}.{name}", "null", Text(current[name])));
    }

    private static string Text(JsonNode? node) => node is JsonObject part && KindOf(part) is { } kind ? kind : node?.ToJsonString() ?? "null";
}

/// <summary>An option that is not what it was when a checkpoint was saved.</summary>
/// <param name="Path">Where it is, from the method on: "Fira.Rank".</param>
/// <param name="Saved">Its value in the checkpoint.</param>
/// <param name="Current">Its value now.</param>
internal sealed record OptionChange(string Path, string Saved, string Current)
{
    public const int Longest = 80;

    /// <summary>All changes in a sentence of their own, or nothing.</summary>
    public static string Sentence(IReadOnlyList<OptionChange> changes) => changes.Count == 0 ? "" : $" {string.Join("; ", changes)}.";

    public override string ToString() => $"{Path} was {Brief(Saved)} in the checkpoint and is {Brief(Current)}";

    /// <summary>As much of a value as a sentence can hold.</summary>
    private static string Brief(string value) => value.Length > Longest ? $"{value[..Longest]}..." : value;
}
