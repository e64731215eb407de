using Microsoft.ML.Tokenizers;

namespace LanguageModel.Tokens;

/// <summary>Turns text into tokens and back, by Microsoft.ML.Tokenizers.</summary>
/// <param name="Source">Where it comes from, in words.</param>
/// <param name="Tokenizer">Does the work.</param>
/// <param name="Special">The tokens with a meaning of their own, such as <c>&lt;|endoftext|&gt;</c>, and their numbers.</param>
/// <param name="Size">One more than the largest number: a model's vocabulary must be at least as large.</param>
public sealed record TextTokenizer(string Source, Tokenizer Tokenizer, IReadOnlyDictionary<string, int> Special, int Size)
{
    /// <summary>Ends a document for GPT-2.</summary>
    public const string EndOfText = "<|endoftext|>";

    /// <value>The token that goes before every text; null where none does.</value>
    public int? Beginning { get; init; }

    /// <value>What is done to a text before it is cut into tokens. Default: nothing.</value>
    public Func<string, string> Normalize { get; init; } = text => text;

    /// <summary>GPT-2's byte-pair encoding: 50,257 tokens, and every text can be written with them.</summary>
    public static TextTokenizer Gpt2() =>
        new("GPT-2's byte-pair encoding", TiktokenTokenizer.CreateForModel("gpt-2"), new Dictionary<string, int> { [EndOfText] = 50_256 }, 50_257);

    /// <summary>The tokens of <paramref name="text"/>; special ones are those written out in it.</summary>
    public IReadOnlyList<int> Encode(string text)
    {
        var tokens = Tokenizer.EncodeToIds(Normalize(text));
        return Beginning is { } beginning ? [beginning, .. tokens] : tokens;
    }

    /// <summary>The text of <paramref name="tokens"/>.</summary>
    public string Decode(IEnumerable<int> tokens) => Tokenizer.Decode(tokens) ?? "";
}
