namespace LanguageModel.Data;

/// <summary>A fixed set of sequences, the same for every method, seed and batch size.</summary>
public static class ValidationSet
{
    /// <summary>Sequences spread evenly over <paramref name="text"/>, in batches of <paramref name="rows"/>; the last may be smaller.</summary>
    /// <param name="text">The validation part of the text.</param>
    /// <param name="rows">Sequences evaluated at a time; changes nothing but speed.</param>
    /// <param name="length">Tokens per sequence.</param>
    /// <param name="tokens">Tokens in all, at most; the whole text when it has fewer.</param>
    /// <exception cref="UserException">The text is shorter than one sequence.</exception>
    public static IReadOnlyList<TokenBatch> Batches(TokenSequence text, int rows, int length, long tokens)
    {
        var windows = (text.Length - 1) / length;
        if (windows < 1)
            throw new UserException(
                $"The validation text has {text.Length} {text.Unit}, too few for a sequence of {length}. Give more data, or a shorter --seq.");

        var wanted = Math.Clamp(tokens / length, 1, windows);
        var starts = Enumerable.Range(0, (int)wanted).Select(place => place * (long)windows / wanted * length);
        return [.. starts.Chunk(rows).Select(chunk => TokenBatch.Read(text, chunk, length))];
    }
}
