namespace LanguageModel.Data;

/// <summary>Tokens and the token after each.</summary>
/// <param name="Rows">Number of sequences.</param>
/// <param name="Length">Tokens in each sequence.</param>
/// <param name="Inputs">(row, position), row after row.</param>
/// <param name="Targets">The token after each input, in the same order; <see cref="Ignored"/> where it does not count.</param>
public sealed record TokenBatch(int Rows, int Length, long[] Inputs, long[] Targets)
{
    /// <summary>In the place of a target that does not count.</summary>
    public const long Ignored = -100;

    /// <value>Tokens of text among the inputs: all of them, unless rows of different lengths were filled up.</value>
    public long Tokens { get; init; } = Inputs.Length;

    /// <value>Targets that count.</value>
    public long Counted { get; } = Targets.LongCount(target => target != Ignored);

    /// <summary>The part of the rows that one of several processes takes.</summary>
    /// <param name="part">Which, from 0.</param>
    /// <param name="parts">Of how many, at most as many as there are rows.</param>
    public TokenBatch Part(int part, int parts)
    {
        if (parts == 1)
            return this;

        var (first, last) = (part * Rows / parts, (part + 1) * Rows / parts);
        var entries = (first * Length)..(last * Length);
        return new TokenBatch(last - first, Length, Inputs[entries], Targets[entries]);
    }

    /// <summary>The windows of <paramref name="text"/> that begin at <paramref name="starts"/>.</summary>
    /// <remarks>Each reads <paramref name="length"/> + 1 tokens: the last is only a target.</remarks>
    internal static TokenBatch Read(TokenSequence text, ReadOnlySpan<long> starts, int length)
    {
        var (inputs, targets) = (new long[starts.Length * length], new long[starts.Length * length]);
        for (var row = 0; row < starts.Length; row++)
        {
            var start = (int)starts[row];
            for (var position = 0; position < length; position++)
            {
                inputs[row * length + position] = text[start + position];
                targets[row * length + position] = text[start + position + 1];
            }
        }

        return new TokenBatch(starts.Length, length, inputs, targets);
    }
}
