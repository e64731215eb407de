using LanguageModel.Data;
using LanguageModel.Tokens;

namespace LanguageModel.Training;

/// <summary>One text, whose batches are a function of the step.</summary>
/// <param name="corpus">The text.</param>
/// <param name="options">What the run does.</param>
/// <param name="tokenizer">Cuts it into tokens; null for bytes.</param>
public sealed class SingleText(TextCorpus corpus, TrainingOptions options, CorpusTokenizer? tokenizer = null) : TrainingData
{
    private readonly BatchSampler sampler = new(tokenizer?.Encode(corpus.Training) ?? corpus.Training, options.Batch, options.Sequence, (ulong)options.Seed);

    /// <inheritdoc/>
    public override IReadOnlyList<(string? Source, IReadOnlyList<TokenBatch> Batches)> Validation { get; } =
        [(null, ValidationSet.Batches(tokenizer?.Encode(corpus.Validation) ?? corpus.Validation, options.Batch, options.Sequence, options.EvaluationTokens))];

    /// <inheritdoc/>
    public override TokenBatch At(long step) => sampler.At(step);
}
