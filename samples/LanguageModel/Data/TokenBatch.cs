namespace LanguageModel.Data;

/// <summary>Tokens and the token after each.</summary>
/// <param name="Rows">Number of sequences.</param>
/// <param name="Length">Tokens in each sequence.</param>
/// <param name="Inputs">(row, position), row after row.</param>
/// <param name="Targets">The token after each input, in the same order.</param>
public sealed record TokenBatch(int Rows, int Length, long[] Inputs, long[] Targets)
{
    /// <summary>The windows of <paramref name="text"/> that begin at <paramref name="starts"/>.</summary>
    /// <remarks>Each reads <paramref name="length"/> + 1 bytes: the last is only a target.</remarks>
    internal static TokenBatch Read(byte[] text, ReadOnlySpan<long> starts, int length)
    {
        var (inputs, targets) = (new long[starts.Length * length], new long[starts.Length * length]);
        for (var row = 0; row < starts.Length; row++)
        {
            var window = text.AsSpan((int)starts[row], length + 1);
            for (var position = 0; position < length; position++)
            {
                inputs[row * length + position] = window[position];
                targets[row * length + position] = window[position + 1];
            }
        }

        return new TokenBatch(starts.Length, length, inputs, targets);
    }
}
