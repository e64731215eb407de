using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace LanguageModel.Tokens;

/// <summary>The tokenizer that lies beside a model.</summary>
public static class FolderTokenizer
{
    /// <summary>That of the files in <paramref name="folder"/>: tokenizer.json, or tokenizer.model, or vocab.json with merges.txt.</summary>
    /// <returns>Null where there is none of them.</returns>
    /// <exception cref="UserException">There is one that cannot be read.</exception>
    public static TextTokenizer? Find(string folder)
    {
        string Path(string name) => System.IO.Path.Combine(folder, name);

        var (json, sentencePiece, vocabulary, merges) = (Path("tokenizer.json"), Path("tokenizer.model"), Path("vocab.json"), Path("merges.txt"));
        try
        {
            // The fast tokenizers of the SentencePiece kind are written down twice; the original is what the package reads.
            return File.Exists(json) && !(File.Exists(sentencePiece) && !TokenizerJson.CanRead(json)) ? TokenizerJson.Read(json)
                : File.Exists(sentencePiece) ? SentencePiece(sentencePiece, Path("added_tokens.json"), Path("tokenizer_config.json"))
                : File.Exists(vocabulary) && File.Exists(merges) ? BytePairs(vocabulary, merges)
                : null;
        }
        catch (Exception damage)
            when (damage is JsonException or InvalidDataException or InvalidOperationException or KeyNotFoundException or ArgumentException)
        {
            throw new UserException($"The tokenizer in {folder} cannot be read: {damage.Message}");
        }
    }

    private static TextTokenizer SentencePiece(string file, string addedTokens, string config)
    {
        var special = File.Exists(addedTokens) ? JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(addedTokens))! : [];
        using var stream = File.OpenRead(file);
        var tokenizer = SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false, addEndOfSentence: false, special.Count > 0 ? special : null);
        special[tokenizer.BeginningOfSentenceToken] = tokenizer.BeginningOfSentenceId;
        special[tokenizer.EndOfSentenceToken] = tokenizer.EndOfSentenceId;
        return new(file, tokenizer, special, 1 + tokenizer.Vocabulary.Values.Concat(special.Values).Max())
        {
            Beginning = AddsBeginning(config) ? tokenizer.BeginningOfSentenceId : null,
        };
    }

    private static TextTokenizer BytePairs(string vocabulary, string merges)
    {
        var numbers = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(vocabulary))!;
        var special = numbers.Where(token => token.Key == TextTokenizer.EndOfText).ToDictionary();
        var tokenizer = BpeTokenizer.Create(new BpeOptions(numbers)
        {
            Merges = [.. File.ReadLines(merges).Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))],
            SpecialTokens = special,
            PreTokenizer = new RegexPreTokenizer(new Regex(TokenizerJson.WordsOfGpt2, RegexOptions.Compiled), special),
            ByteLevel = true,
        });
        return new(vocabulary, tokenizer, special, 1 + numbers.Values.Max());
    }

    private static bool AddsBeginning(string config)
    {
        if (!File.Exists(config))
            return true;

        using var json = JsonDocument.Parse(File.ReadAllText(config));
        return !json.RootElement.TryGetProperty("add_bos_token", out var adds) || adds.ValueKind != JsonValueKind.False;
    }
}
