using LanguageModel.Data;

namespace LanguageModel.Training;

/// <summary>One text, whose batches are a function of the step.</summary>
public sealed class SingleText(TextCorpus corpus, TrainingOptions options) : TrainingData
{
    private readonly BatchSampler sampler = new(corpus.Training, options.Batch, options.Sequence, (ulong)options.Seed);

    /// <inheritdoc/>
    public override IReadOnlyList<(string? Source, IReadOnlyList<TokenBatch> Batches)> Validation { get; } =
        [(null, ValidationSet.Batches(corpus.Validation, options.Batch, options.Sequence, options.EvaluationTokens))];

    /// <inheritdoc/>
    public override TokenBatch At(long step) => sampler.At(step);
}
