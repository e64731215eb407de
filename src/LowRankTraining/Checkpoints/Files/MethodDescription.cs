using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>All options of a method, its parts included, as JSON: what a checkpoint says about how it was made.</summary>
/// <remarks>An object is its type's name under "type" and every public property that holds something of its own: one that can be set, or one that the
/// constructor has filled. Enums are their names, infinities and NaN texts. Loggers, delegates, modules and tensors are left out.</remarks>
internal static class MethodDescription
{
    private const string TypeKey = "type";

    /// <summary>The options of a method, or null where there is none.</summary>
    public static JsonObject? Of(object? method) => method is null ? null : Parts(method);

    /// <summary>Every option that is not what it was, in the order of their names. None where one of the descriptions is not known.</summary>
    public static IReadOnlyList<OptionChange> Changes(JsonObject? saved, JsonObject? current) =>
        saved is null || current is null ? [] : [.. Compare(current[TypeKey]?.ToString() ?? "", saved, current)];

    private static JsonObject Parts(object part)
    {
        var type = part.GetType();
        var parts = new JsonObject { [TypeKey] = type.Name };
        foreach (var property in type.GetProperties(BindingFlags.Instance | BindingFlags.Public).DistinctBy(property => property.Name)
            .Where(HoldsAnOption).OrderBy(property => property.Name, StringComparer.Ordinal))
            parts[property.Name] = Node(property.GetValue(part));
        return parts;
    }

    private static bool HoldsAnOption(PropertyInfo property) =>
        property.GetIndexParameters().Length == 0 && (property.SetMethod is { IsPublic: true } || HasField(property))
        && !new[] { typeof(ILogger), typeof(Delegate), typeof(nn.Module), typeof(Tensor) }.Any(property.PropertyType.IsAssignableTo);

    private static bool HasField(PropertyInfo property) =>
        property.DeclaringType!.GetField($"<{property.Name}>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic) is not null;

    private static JsonNode? Node(object? value) => value switch
    {
        null => null,
        string text => JsonValue.Create(text),
        bool flag => JsonValue.Create(flag),
        Enum name => JsonValue.Create(name.ToString()),
        float number => double.IsFinite(number) ? JsonValue.Create(number) : JsonValue.Create(number.ToString(CultureInfo.InvariantCulture)),
        double number => double.IsFinite(number) ? JsonValue.Create(number) : JsonValue.Create(number.ToString(CultureInfo.InvariantCulture)),
        ulong number => JsonValue.Create(number),
        sbyte or byte or short or ushort or int or uint or long => JsonValue.Create(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        IDictionary entries => new JsonObject(entries.Keys.Cast<object>().Select(key => KeyValuePair.Create(key.ToString()!, Node(entries[key])))),
        IEnumerable items => new JsonArray([.. items.Cast<object?>().Select(Node)]),
        IFormattable text and ValueType => JsonValue.Create(text.ToString(null, CultureInfo.InvariantCulture)),
        _ => Parts(value),
    };

    private static IEnumerable<OptionChange> Compare(string path, JsonNode? saved, JsonNode? current)
    {
        if (saved is JsonObject before && current is JsonObject now && before[TypeKey]?.ToString() == now[TypeKey]?.ToString())
            return now.Select(option => option.Key).Union(before.Select(option => option.Key)).Order(StringComparer.Ordinal)
                .SelectMany(name => Compare($"{path}.{name}", before[name], now[name]));
        return saved?.ToJsonString() == current?.ToJsonString() ? [] : [new OptionChange(path, Text(saved), Text(current))];
    }

    private static string Text(JsonNode? node) => node is JsonObject part && part[TypeKey] is { } type ? type.ToString() : node?.ToJsonString() ?? "null";
}

/// <summary>An option that is not what it was when a checkpoint was saved.</summary>
/// <param name="Path">Where it is, from the method on: "Fira.Rank".</param>
/// <param name="Saved">Its value in the checkpoint.</param>
/// <param name="Current">Its value now.</param>
internal sealed record OptionChange(string Path, string Saved, string Current)
{
    /// <summary>All changes in a sentence of their own, or nothing.</summary>
    public static string Sentence(IReadOnlyList<OptionChange> changes) => changes.Count == 0 ? "" : $" {string.Join("; ", changes)}.";

    public override string ToString() => $"{Path} was {Saved} in the checkpoint and is {Current}";
}
