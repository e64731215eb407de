using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LowRankTraining.Text;

/// <summary>Keys of JSON objects, of which a reader that takes them one by one would find only later that one stands there twice.</summary>
internal static class JsonKeys
{
    private static readonly JsonSerializerOptions AnyNumber = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>The path to the first key that stands in its object twice; null where there is none.</summary>
    public static string? Repeated(JsonNode? node, string path = "") =>
        node is null ? null : Repeated(JsonSerializer.SerializeToUtf8Bytes(node, AnyNumber), path);

    /// <inheritdoc cref="Repeated(JsonNode?, string)"/>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static string? Repeated(ReadOnlySpan<byte> json, string path = "")
    {
        var reader = new Utf8JsonReader(json);
        var open = new Stack<Level>();
        while (reader.Read())
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    if (!open.Peek().Take(reader.GetString()!))
                        return string.Join(':', open.Select(level => level.Place).Append(path).Where(place => place.Length > 0).Reverse());
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    open.Pop();
                    break;
                default:
                    if (open.TryPeek(out var around))
                        around.Count();
                    if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                        open.Push(new());
                    break;
            }

        return null;
    }

    /// <summary>An object or a list that is being read.</summary>
    private sealed class Level
    {
        private HashSet<string>? _keys;
        private int _index = -1;

        /// <value>The key or the number of what is being read in it.</value>
        public string Place { get => field ?? $"{_index}"; private set; }

        public bool Take(string key)
        {
            Place = key;
            return (_keys ??= []).Add(key);
        }

        public void Count() => _index++;
    }
}
