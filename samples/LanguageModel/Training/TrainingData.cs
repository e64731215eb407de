using LanguageModel.Data;
using LowRankTraining.Mixing;

namespace LanguageModel.Training;

/// <summary>What a run trains and validates on.</summary>
public abstract class TrainingData
{
    /// <value>The sequences to validate on, by source; a single text has no name.</value>
    public abstract IReadOnlyList<(string? Source, IReadOnlyList<TokenBatch> Batches)> Validation { get; }

    /// <value>The sources' parts in the mixture; null for a single text.</value>
    public virtual IReadOnlyList<SourceShare>? Mixture => null;

    /// <summary>The batch of <paramref name="step"/>, counted from 0.</summary>
    public abstract TokenBatch At(long step);

    /// <summary>Runs the backward pass of the batch that was last given out.</summary>
    public virtual void Backward(Action backward) => backward();

    /// <summary>Says that the gradient of a step is complete.</summary>
    public virtual void EndStep() { }

    /// <summary>Saves what the batches to come depend on, around a checkpoint of the same step.</summary>
    public virtual void Save(string folder, long step, Action saveCheckpoint) => saveCheckpoint();

    /// <summary>Goes back to where <see cref="Save"/> was called.</summary>
    public virtual void Load(string folder, long step) { }
}
