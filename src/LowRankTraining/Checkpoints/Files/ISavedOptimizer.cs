namespace LowRankTraining.Checkpoints;

/// <summary>An optimizer as a <see cref="TrainingCheckpoint"/> sees it.</summary>
internal interface ISavedOptimizer
{
    /// <value>Steps taken, or null where the optimizer does not count them.</value>
    long? CompletedSteps { get; }

    /// <summary>Throws where the model cannot be saved or loaded at this moment, saying what would come of it and that nothing was done.</summary>
    void RequireReady(string consequence, string done);

    /// <value>Whether this process writes for all that train together; the others have the same numbers.</value>
    bool Writes => true;

    /// <summary>Returns once every process that trains together is here, so that what the first one has written is complete.</summary>
    void Barrier() { }

    /// <summary>Where processes have divided the state, brings it to the one that writes. All of them call it.</summary>
    /// <returns>Disposed when it is written; null where nothing had to be brought.</returns>
    IDisposable? Collect() => null;

    /// <summary>Calls <paramref name="use"/> with what the optimizer is and with its state, which may change afterwards.</summary>
    void Show(Action<CheckpointManifest, IReadOnlyList<TensorSource>> use);

    /// <summary>The shape that a file may have for a tensor of the model.</summary>
    long[] ExpectedShape(Tensor tensor, long step, long[] saved);

    /// <summary>The first difference from what was saved, with what to do, or null where it fits.</summary>
    string? DifferenceFrom(SavedManifest saved);

    /// <summary>How many tensors of a file are the state, by its manifest.</summary>
    int TensorsBy(SavedManifest saved) => saved.Parameters.Sum(parameter => parameter.Slots.Items.Count());

    /// <summary>Reads all of the state of a file that fits.</summary>
    /// <exception cref="InvalidDataException">It is damaged. Nothing was changed.</exception>
    PendingLoad Read(SafeTensorsFile file);

    /// <summary>Every option of the method that is not what it was, so that a refusal can name it.</summary>
    IReadOnlyList<OptionChange> ChangesSince(SavedManifest saved);

    static ISavedOptimizer Of(OptimizerHelper optimizer, nn.Module model) => optimizer as ISavedOptimizer ?? new PlainOptimizer(optimizer, model);
}
