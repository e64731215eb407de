using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LowRankTraining.Text;

/// <summary>Keys of JSON objects, of which a reader that takes them one by one would find only later that one stands there twice.</summary>
/// <remarks>Of a key that is waiting for its equal only the hash is kept, 8 bytes for as long as its object is open: fewer than the key takes in the text.
/// </remarks>
internal static class JsonKeys
{
    private const int MostLevels = 64;

    private static readonly JsonSerializerOptions AnyNumber = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private static readonly JsonReaderOptions Options = new() { MaxDepth = MostLevels };

    /// <summary>The path to the first key that stands in its object twice; null where there is none.</summary>
    public static string? Repeated(JsonNode? node, string path = "") =>
        node is null ? null : Repeated(JsonSerializer.SerializeToUtf8Bytes(node, AnyNumber), path);

    /// <inheritdoc cref="Repeated(JsonNode?, string)"/>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static string? Repeated(ReadOnlySpan<byte> json, string path = "")
    {
        var rented = ArrayPool<ulong>.Shared.Rent(MostOpen(json));
        var repeated = Repeated(json, path, rented);
        ArrayPool<ulong>.Shared.Return(rented);
        return repeated;
    }

    private static string? Repeated(ReadOnlySpan<byte> json, string path, Span<ulong> hashes)
    {
        var reader = new Utf8JsonReader(json, Options);
        Span<Level> levels = stackalloc Level[MostLevels];
        var (open, room) = (0, Array.Empty<byte>());
        while (reader.Read())
        {
            ref var level = ref levels[Math.Max(0, reader.CurrentDepth - 1)];
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    level.Place = (int)reader.TokenStartIndex;
                    hashes[open++] = JsonText.Hash(reader.Utf8(ref room));
                    break;
                case JsonTokenType.EndObject:
                    var ended = levels[reader.CurrentDepth];
                    var keys = hashes[ended.Keys..open];
                    keys.Sort();
                    for (var index = 1; index < keys.Length; index++)
                        if (keys[index] == keys[index - 1] && Twice(json[ended.Start..], keys[index]) is { } key)
                            return PathTo(json, levels[..reader.CurrentDepth], path) is { Length: > 0 } around ? $"{around}:{key}" : key;
                    open = ended.Keys;
                    break;
                case not JsonTokenType.EndArray:
                    level.Index += level.IsArray ? 1 : 0;
                    if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                        levels[reader.CurrentDepth] = new()
                        {
                            Start = (int)reader.TokenStartIndex, Keys = open, Index = -1, IsArray = reader.TokenType == JsonTokenType.StartArray,
                        };
                    break;
            }
        }

        return null;
    }

    /// <summary>How many keys the objects that are open at one time have had together, at the most.</summary>
    private static int MostOpen(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, Options);
        Span<int> before = stackalloc int[MostLevels];
        var (open, most) = (0, 0);
        while (reader.Read())
            if (reader.TokenType == JsonTokenType.StartObject)
                before[reader.CurrentDepth] = open;
            else if (reader.TokenType == JsonTokenType.EndObject)
                open = before[reader.CurrentDepth];
            else if (reader.TokenType == JsonTokenType.PropertyName)
                most = Math.Max(most, ++open);
        return most;
    }

    /// <summary>The key of a hash that an object has twice; null where two keys only have one hash.</summary>
    private static string? Twice(ReadOnlySpan<byte> json, ulong hash)
    {
        var reader = new Utf8JsonReader(json, Options);
        var (seen, room) = (new HashSet<string>(), Array.Empty<byte>());
        while (reader.Read() && (reader.TokenType, reader.CurrentDepth) != (JsonTokenType.EndObject, 0))
            if ((reader.TokenType, reader.CurrentDepth) == (JsonTokenType.PropertyName, 1) && JsonText.Hash(reader.Utf8(ref room)) == hash
                && reader.GetString()! is var key && !seen.Add(key))
                return key;
        return null;
    }

    private static string PathTo(ReadOnlySpan<byte> json, ReadOnlySpan<Level> levels, string path)
    {
        foreach (var level in levels)
            path += (path.Length > 0 ? ":" : "") + (level.IsArray ? $"{level.Index}" : JsonText.ReaderAt(json, level.Place).GetString());
        return path;
    }

    /// <summary>An object or a list that is being read.</summary>
    /// <remarks>Where it begins; how many keys are open around it; the place of its last key; the number of its last item.</remarks>
    private struct Level
    {
        public int Start, Keys, Place, Index;
        public bool IsArray;
    }
}
