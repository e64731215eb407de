using LanguageModel.Tokens;

namespace FineTune.Data;

/// <summary>Makes examples of texts.</summary>
/// <param name="tokenizer">That of the model.</param>
/// <param name="end">The token that ends a text; null for none.</param>
internal sealed class ExampleWriter(TextTokenizer tokenizer, int? end)
{
    /// <summary>A text in parts, of which some are learned and others only read; a learned last part is followed by the end.</summary>
    /// <remarks>The parts are tokenized as one text, as it will be when the model is used: a part begins with the first token that the text up to there does
    /// not have by itself.</remarks>
    public Example Write(IReadOnlyList<(string Text, bool IsLearned)> parts)
    {
        var tokens = tokenizer.Encode(string.Concat(parts.Select(part => part.Text)));
        var learned = new bool[tokens.Count];
        var (text, begin) = ("", 0);
        for (var place = 0; place < parts.Count; place++)
        {
            text += parts[place].Text;
            var next = place == parts.Count - 1 ? tokens.Count : Math.Max(begin, Common(tokens, tokenizer.Encode(text)));
            learned.AsSpan(begin..next).Fill(parts[place].IsLearned);
            begin = next;
        }

        return end is { } last && parts[^1].IsLearned ? new([.. tokens, last], [.. learned, true]) : new([.. tokens], learned);
    }

    private static int Common(IReadOnlyList<int> whole, IReadOnlyList<int> part) => whole.Zip(part).TakeWhile(pair => pair.First == pair.Second).Count();
}
