using System.Text.Json.Nodes;

namespace LowRankTraining.Samples.Tests.FineTuning;

/// <summary>A small byte-level tokenizer, as Hugging Face's tokenizers write it: all bytes, and "he", "ll", "hell", "hello", " w", " wo".</summary>
internal static class Tokens
{
    public const int End = 262, Start = 263;

    private static readonly string[] Merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "Ġw o"];

    public static JsonObject Json()
    {
        var vocabulary = new JsonObject();
        foreach (var letter in Letters().Concat(Merges.Select(merge => merge.Replace(" ", ""))))
            vocabulary[letter] = vocabulary.Count;
        return new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray(Special("<|endoftext|>", End), Special("<|im_start|>", Start), Special("<|im_end|>", Start + 1)),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = true },
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] =
                new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray([.. Merges.Select(merge => JsonValue.Create(merge))]) },
        };
    }

    public static void Write(string folder) => File.WriteAllText(Path.Combine(folder, "tokenizer.json"), Json().ToJsonString());

    /// <summary>GPT-2's letters for the bytes 0 … 255, in the order of its vocabulary: the printable ones first.</summary>
    private static IEnumerable<string> Letters()
    {
        int[] printable = [.. Enumerable.Range(33, 94), .. Enumerable.Range(161, 12), .. Enumerable.Range(174, 82)];
        return printable.Select(code => ((char)code).ToString())
            .Concat(Enumerable.Range(0, 256 - printable.Length).Select(place => ((char)(256 + place)).ToString()));
    }

    private static JsonObject Special(string content, int id) => new() { ["id"] = id, ["content"] = content, ["special"] = true };
}
