using LowRankTraining;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>What a run does, apart from the method that it does it with.</summary>
public sealed record TrainingOptions
{
    /// <value>Optimizer steps of the whole run, those before a resume included.</value>
    public required long Steps { get; init; }

    /// <value>Sequences per step.</value>
    public required int Batch { get; init; }

    /// <value>Batches whose gradients are added up in a step. Default 1.</value>
    public int Accumulation { get; init; } = 1;

    /// <value>Tokens per sequence.</value>
    public required int Sequence { get; init; }

    /// <value>Where the model is.</value>
    public required Device Device { get; init; }

    /// <value>Orders the batches. Default 42.</value>
    public long Seed { get; init; } = 42;

    /// <value>Largest norm of all gradients together; larger ones are scaled down. Default null: never.</value>
    public double? ClipNorm { get; init; }

    /// <value>Steps between validations; the last step is always followed by one. Default null: only that one.</value>
    public long? EvaluateEvery { get; init; }

    /// <value>Tokens validated on, at most. Default 65536.</value>
    public long EvaluationTokens { get; init; } = 65_536;

    /// <value>Steps between checkpoints. Default null: none.</value>
    public long? SaveEvery { get; init; }

    /// <value>The processes that train together, each on its part of every batch; null for this one alone.</value>
    public ICollective? World { get; init; }

    /// <value>Tokens a step.</value>
    public long TokensPerStep => (long)Batch * Accumulation * Sequence;
}
