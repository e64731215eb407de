using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LowRankTraining.Text;

/// <summary>Keys of JSON objects, of which a reader that takes them one by one would find only later that one stands there twice.</summary>
internal static class JsonKeys
{
    private static readonly JsonSerializerOptions AnyNumber = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>The path to the first key that stands in its object twice; null where there is none.</summary>
    /// <param name="node">An object, a list, or anything else, as it was read.</param>
    /// <param name="path">Where it stands.</param>
    public static string? Repeated(JsonNode? node, string path = "")
    {
        if (node is null)
            return null;

        // Other than nodes, elements can be asked for a key that stands there twice.
        using var document = JsonDocument.Parse(node.ToJsonString(AnyNumber));
        return Repeated(document.RootElement, path);
    }

    private static string? Repeated(JsonElement element, string path)
    {
        var keys = new HashSet<string>();
        return element.ValueKind switch
        {
            JsonValueKind.Object => element.EnumerateObject()
                .Select(entry => keys.Add(entry.Name) ? Repeated(entry.Value, Join(path, entry.Name)) : Join(path, entry.Name)).FirstOrDefault(IsFound),
            JsonValueKind.Array => element.EnumerateArray().Select((item, index) => Repeated(item, Join(path, $"{index}"))).FirstOrDefault(IsFound),
            _ => null,
        };
    }

    private static bool IsFound(string? path) => path is not null;

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}:{key}";
}
