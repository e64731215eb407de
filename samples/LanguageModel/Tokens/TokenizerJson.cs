using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace LanguageModel.Tokens;

/// <summary>Reads <c>tokenizer.json</c>, as Hugging Face's tokenizers write it: byte-level byte-pair encodings, those of GPT-2, Llama 3, Qwen and
/// SmolLM.</summary>
internal static class TokenizerJson
{
    /// <summary>How GPT-2 cuts a text into words.</summary>
    public const string WordsOfGpt2 = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string EachDigit = @"\p{Nd}|[^\p{Nd}]+";

    /// <summary>Whether the file is of the kind that <see cref="Read"/> reads.</summary>
    public static bool CanRead(string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(path));
        return IsByteLevel(json.RootElement);
    }

    /// <summary>The tokenizer in a file.</summary>
    /// <exception cref="InvalidDataException">It is of another kind, or does what cannot be done here.</exception>
    public static TextTokenizer Read(string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(path));
        var root = json.RootElement;
        if (!IsByteLevel(root))
            throw new InvalidDataException(
                $"{path} is a {Kind(root.GetProperty("model"))} that does not work on bytes. What can be read: byte-level BPE in tokenizer.json, "
                + "SentencePiece in tokenizer.model, GPT-2's vocab.json and merges.txt.");

        var model = root.GetProperty("model");
        var vocabulary = model.GetProperty("vocab").EnumerateObject().ToDictionary(token => token.Name, token => token.Value.GetInt32());
        var special = Elements(root, "added_tokens")
            .ToDictionary(token => token.GetProperty("content").GetString()!, token => token.GetProperty("id").GetInt32());
        var words = Words(root, special);
        Tokenizer tokenizer = model.TryGetProperty("ignore_merges", out var ignores) && ignores.GetBoolean()
            ? ByRanks(vocabulary, words, special)
            : ByMerges(vocabulary, model.GetProperty("merges"), words, special);
        return new(path, tokenizer, special, 1 + vocabulary.Values.Concat(special.Values).Max())
        {
            Beginning = Beginning(root, special),
            Normalize = Normalizer(root),
        };
    }

    private static BpeTokenizer ByMerges(Dictionary<string, int> vocabulary, JsonElement merges, PreTokenizer words, Dictionary<string, int> special) =>
        BpeTokenizer.Create(new BpeOptions(vocabulary.Concat(special.Where(token => !vocabulary.ContainsKey(token.Key))))
        {
            Merges =
                [.. merges.EnumerateArray()
                    .Select(merge => merge.ValueKind == JsonValueKind.Array ? $"{merge[0].GetString()} {merge[1].GetString()}" : merge.GetString()!)],
            SpecialTokens = special,
            PreTokenizer = words,
            ByteLevel = true,
        });

    /// <summary>Where a word that is a token is taken whole, and smaller numbers merge first: the format of tiktoken, which Llama 3 comes from.</summary>
    private static TiktokenTokenizer ByRanks(Dictionary<string, int> vocabulary, PreTokenizer words, Dictionary<string, int> special)
    {
        var lines = vocabulary.Where(token => !special.ContainsKey(token.Key)).OrderBy(token => token.Value)
            .Select(token => $"{Convert.ToBase64String(ByteLetters.Bytes(token.Key))} {token.Value}");
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', lines)));
        return TiktokenTokenizer.Create(stream, words, normalizer: null, special);
    }

    /// <summary>How a text is cut into words, inside which tokens stay.</summary>
    private static PreTokenizer Words(JsonElement root, Dictionary<string, int> special)
    {
        var cuts = Cuts(root.GetProperty("pre_tokenizer")).Select(pattern => new RegexPreTokenizer(new Regex(pattern, RegexOptions.Compiled), special))
            .ToArray();
        return cuts is [var only] ? only : new CompositePreTokenizer(cuts, special);
    }

    private static IEnumerable<string> Cuts(JsonElement part)
    {
        switch (Kind(part))
        {
            case "Sequence":
                return part.GetProperty("pretokenizers").EnumerateArray().SelectMany(Cuts);
            case "Split" when part.GetProperty("pattern").TryGetProperty("Regex", out var pattern) && part.GetProperty("behavior").GetString() == "Isolated":
                return [pattern.GetString()!];
            case "Digits":
                return part.GetProperty("individual_digits").GetBoolean()
                    ? [EachDigit]
                    : throw new InvalidDataException("it keeps digits together, which cannot be done here.");
            case "ByteLevel":
                if (part.GetProperty("add_prefix_space").GetBoolean())
                    throw new InvalidDataException("it puts a space before every text (add_prefix_space), which cannot be done here.");
                return part.TryGetProperty("use_regex", out var cuts) && !cuts.GetBoolean() ? [] : [WordsOfGpt2];
            case var other:
                throw new InvalidDataException($"it cuts text by {other}, which cannot be done here.");
        }
    }

    private static Func<string, string> Normalizer(JsonElement root) =>
        !root.TryGetProperty("normalizer", out var normalizer) || normalizer.ValueKind == JsonValueKind.Null ? text => text
        : Kind(normalizer) == "NFC" ? text => text.Normalize(NormalizationForm.FormC)
        : throw new InvalidDataException($"it normalizes text by {Kind(normalizer)}, which cannot be done here.");

    /// <summary>The special token that the template of a single text begins with.</summary>
    private static int? Beginning(JsonElement root, Dictionary<string, int> special)
    {
        if (!root.TryGetProperty("post_processor", out var processor) || processor.ValueKind == JsonValueKind.Null)
            return null;

        var template = new[] { processor }.Concat(Elements(processor, "processors")).FirstOrDefault(part => Kind(part) == "TemplateProcessing");
        return Elements(template, "single").FirstOrDefault() is { ValueKind: JsonValueKind.Object } first && first.TryGetProperty("SpecialToken", out var token)
            ? special[token.GetProperty("id").GetString()!]
            : null;
    }

    private static bool IsByteLevel(JsonElement root) =>
        Kind(root.GetProperty("model")) == "BPE" && root.TryGetProperty("decoder", out var decoder) && HasByteLevel(decoder);

    private static bool HasByteLevel(JsonElement decoder) =>
        decoder.ValueKind == JsonValueKind.Object && (Kind(decoder) == "ByteLevel" || Elements(decoder, "decoders").Any(HasByteLevel));

    private static string Kind(JsonElement part) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var kind) ? kind.GetString() ?? "" : "";

    private static JsonElement.ArrayEnumerator Elements(JsonElement part, string name) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array
            ? list.EnumerateArray()
            : default;
}
