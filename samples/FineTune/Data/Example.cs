namespace FineTune.Data;

/// <summary>A text as tokens, and which of them the model is to learn.</summary>
/// <param name="Tokens">The tokens.</param>
/// <param name="IsLearned">For each whether it is to be predicted, or only to be read.</param>
internal sealed record Example(int[] Tokens, bool[] IsLearned)
{
    /// <value>Tokens to be predicted; the first of a text never is.</value>
    public int Learned => IsLearned.Skip(1).Count(learned => learned);

    /// <summary>The first <paramref name="length"/> tokens.</summary>
    public Example First(int length) => Tokens.Length <= length ? this : new(Tokens[..length], IsLearned[..length]);

    /// <summary>Pieces of at most <paramref name="length"/> tokens, one after another.</summary>
    public IEnumerable<Example> Pieces(int length) => Tokens.Chunk(length).Zip(IsLearned.Chunk(length), (tokens, learned) => new Example(tokens, learned));
}
