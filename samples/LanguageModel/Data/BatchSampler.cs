namespace LanguageModel.Data;

/// <summary>The batch of every training step, as a function of the seed and the step alone.</summary>
/// <remarks>
/// The text is cut into windows that follow one another without gap or padding. Each pass over the text takes every window once, in an order
/// of its own and shifted by an amount of its own. Nothing is remembered between steps, so a resumed run needs no state to see the same batches.
/// </remarks>
public sealed class BatchSampler
{
    private readonly TokenSequence text;
    private readonly int rows;
    private readonly int length;
    private readonly ulong seed;

    /// <summary>Batches of <paramref name="rows"/> sequences of <paramref name="length"/> tokens.</summary>
    /// <exception cref="UserException">The text is shorter than two sequences.</exception>
    public BatchSampler(TokenSequence text, int rows, int length, ulong seed)
    {
        Windows = (text.Length - 1) / length - 1;
        if (Windows < 1)
            throw new UserException($"The training text has {text.Length} {text.Unit}, too few for sequences of {length}. Give more data, or a shorter --seq.");

        (this.text, this.rows, this.length, this.seed) = (text, rows, length, seed);
    }

    /// <value>Windows in one pass over the text; the one left out makes room for the shift.</value>
    public long Windows { get; }

    /// <summary>The batch of <paramref name="step"/>, counted from 0.</summary>
    public TokenBatch At(long step)
    {
        Span<long> starts = rows <= 256 ? stackalloc long[rows] : new long[rows];
        for (var row = 0; row < rows; row++)
            starts[row] = Start(step * rows + row);
        return TokenBatch.Read(text, starts, length);
    }

    private long Start(long sequence)
    {
        var (pass, place) = Math.DivRem(sequence, Windows);
        var key = Mixing.Mix(seed, (ulong)pass);
        var shift = (long)(Mixing.Mix(key, 0) % (ulong)length);
        return new Permutation(Windows, key)[place] * length + shift;
    }
}
