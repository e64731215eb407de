using System.Text;
using LanguageModel.CommandLine;
using LanguageModel.Data;

namespace LanguageModel.Tokens;

/// <summary>How the text that a model is trained on from scratch is cut into tokens.</summary>
public abstract class CorpusTokenizer
{
    private static readonly CorpusTokenizer[] All = [new Bytes(), new Gpt2Tokens()];

    /// <value>What there is to choose from; the first is the usual one.</value>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(tokenizer => tokenizer.Name)];

    /// <value>What it is asked for by.</value>
    public abstract string Name { get; }

    /// <value>Number of tokens.</value>
    public abstract int Vocabulary { get; }

    /// <value>The token that ends a document.</value>
    public abstract int End { get; }

    /// <summary>The tokenizer named <paramref name="name"/>.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public static CorpusTokenizer Find(string name) => Array.Find(All, tokenizer => tokenizer.Name == name)
        ?? throw new UserException($"--tokenizer must be one of {string.Join(", ", Names)} (is {name}).{Nearest.DidYouMean(name, Names)}");

    /// <summary>The tokens of documents that each end with <see cref="TextCorpus.EndOfDocument"/>.</summary>
    public abstract TokenSequence Encode(byte[] documents);

    /// <summary>The tokens of a text.</summary>
    public abstract IReadOnlyList<int> Encode(string text);

    /// <summary>The text of tokens.</summary>
    public abstract string Decode(IEnumerable<int> tokens);

    /// <summary>Every byte is a token.</summary>
    private sealed class Bytes : CorpusTokenizer
    {
        public override string Name => "bytes";

        public override int Vocabulary => TextCorpus.Vocabulary;

        public override int End => TextCorpus.EndOfDocument;

        public override TokenSequence Encode(byte[] documents) => documents;

        public override IReadOnlyList<int> Encode(string text) => [.. Encoding.UTF8.GetBytes(text).Select(value => (int)value)];

        public override string Decode(IEnumerable<int> tokens) => Encoding.UTF8.GetString([.. tokens.Select(token => (byte)token)]);
    }

    /// <summary>Byte-pair encoding as GPT-2 has it: about four letters of English in a token, and a vocabulary of 50,257.</summary>
    private sealed class Gpt2Tokens : CorpusTokenizer
    {
        private readonly Lazy<TextTokenizer> tokenizer = new(TextTokenizer.Gpt2);

        public override string Name => "gpt2";

        public override int Vocabulary => tokenizer.Value.Size;

        public override int End => tokenizer.Value.Special[TextTokenizer.EndOfText];

        public override TokenSequence Encode(byte[] documents) => TokenSequence.FromNumbers(Split(documents).SelectMany(text => Encode(text).Append(End)));

        public override IReadOnlyList<int> Encode(string text) => tokenizer.Value.Encode(text);

        public override string Decode(IEnumerable<int> tokens) => tokenizer.Value.Decode(tokens);

        private static IEnumerable<string> Split(byte[] documents)
        {
            for (var begin = 0; begin < documents.Length;)
            {
                var end = Array.IndexOf(documents, TextCorpus.EndOfDocument, begin);
                yield return Encoding.UTF8.GetString(documents, begin, end - begin);
                begin = end + 1;
            }
        }
    }
}
