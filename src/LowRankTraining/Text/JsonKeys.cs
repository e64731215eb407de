using System.Text.Json.Nodes;

namespace LowRankTraining.Text;

/// <summary>Keys of JSON objects, of which a reader that takes them one by one would find only later that one stands there twice.</summary>
internal static class JsonKeys
{
    /// <summary>The path to an object with a key that stands in it twice, with the words of who found it; null where there is none.</summary>
    /// <param name="node">An object, a list, or anything else.</param>
    /// <param name="path">Where it stands.</param>
    public static string? Repeated(JsonNode? node, string path = "")
    {
        try
        {
            return node switch
            {
                JsonObject named => named.Select(entry => Repeated(entry.Value, Join(path, entry.Key))).FirstOrDefault(found => found is not null),
                JsonArray items => items.Select((item, index) => Repeated(item, Join(path, $"{index}"))).FirstOrDefault(found => found is not null),
                _ => null,
            };
        }
        catch (ArgumentException twice)
        {
            // "An item with the same key has already been added. Key: Rank", and the name of a parameter.
            return Join(path, twice.Message.Split("Key: ")[^1].Split(" (")[0]);
        }
    }

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}:{key}";
}
