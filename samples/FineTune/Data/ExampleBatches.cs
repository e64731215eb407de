using LanguageModel.Data;
using LanguageModel.Training;

namespace FineTune.Data;

/// <summary>Examples in batches: those of a step follow from the seed and the step alone, so that a resumed run needs no state to see the same.</summary>
/// <remarks>Each pass takes every example once, in an order of its own.</remarks>
internal sealed class ExampleBatches(ExampleSet examples, TrainingOptions options) : TrainingData
{
    /// <inheritdoc/>
    public override IReadOnlyList<(string? Source, IReadOnlyList<TokenBatch> Batches)> Validation { get; } =
        [(null, InBatches(examples.Evaluation, options.Batch))];

    /// <summary>Examples of about the same length together, so that little is filled up.</summary>
    public static IReadOnlyList<TokenBatch> InBatches(IEnumerable<Example> examples, int rows) =>
        [.. examples.OrderBy(example => example.Tokens.Length).Chunk(rows).Select(Batch)];

    /// <inheritdoc/>
    public override TokenBatch At(long step)
    {
        var (all, first) = (examples.Training, step * options.Batch);
        return Batch([.. Enumerable.Range(0, options.Batch).Select(row => Chosen(first + row))]);

        Example Chosen(long place)
        {
            var (pass, index) = Math.DivRem(place, all.Count);
            return all[(int)new Permutation(all.Count, Mixing.Mix((ulong)options.Seed, (ulong)pass))[index]];
        }
    }

    /// <summary>Rows filled up at their ends, where nothing before can see it and nothing is learned.</summary>
    private static TokenBatch Batch(Example[] rows)
    {
        var length = rows.Max(row => row.Tokens.Length) - 1;
        var (inputs, targets) = (new long[rows.Length * length], new long[rows.Length * length]);
        Array.Fill(targets, TokenBatch.Ignored);
        for (var row = 0; row < rows.Length; row++)
        {
            var (tokens, learned) = rows[row];
            for (var place = 0; place < tokens.Length - 1; place++)
            {
                inputs[row * length + place] = tokens[place];
                if (learned[place + 1])
                    targets[row * length + place] = tokens[place + 1];
            }
        }

        return new TokenBatch(rows.Length, length, inputs, targets) { Tokens = rows.Sum(row => row.Tokens.Length - 1L) };
    }
}
