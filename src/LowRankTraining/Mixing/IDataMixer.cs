namespace LowRankTraining.Mixing;

/// <summary>Decides from which of several sources of data each micro-batch comes.</summary>
/// <remarks>
/// <para>A micro-batch comes from one source as a whole. The loop asks for it, lets the mixer watch its backward
/// pass, and says when an update's gradient is complete:</para>
/// <code>
/// optimizer.zero_grad();
/// var draw = mixer.Next();
/// using var loss = Loss(model, batches[draw.Source].At(draw.Index));
/// mixer.Observe(draw.Source, () => loss.backward());     // as often as there are micro-batches in an update
/// mixer.Update();
/// optimizer.step();
/// </code>
/// </remarks>
public interface IDataMixer : IDisposable
{
    /// <value>What is known of each source, in their order.</value>
    IReadOnlyList<SourceShare> Mixture { get; }

    /// <value>Calls of <see cref="Update"/> so far, in this process and before.</value>
    long CompletedUpdates { get; }

    /// <summary>Draws the source of the next micro-batch. It may be asked ahead of time, as loaders do.</summary>
    /// <returns>The source's name, and how many were drawn from it before: the position in it, which a resumed run goes on from.</returns>
    (string Source, long Index) Next();

    /// <summary>Runs a micro-batch's backward pass, and learns from what it adds to the gradients.</summary>
    /// <param name="source">Where the micro-batch came from.</param>
    /// <param name="backward">Adds to the gradients; called once. In the first call of an update they are zero or null before.</param>
    /// <exception cref="ArgumentException">There is no such source. Nothing was run.</exception>
    void Observe(string source, Action backward);

    /// <summary>Says that the gradient of an update is complete. Call it before the optimizer's step.</summary>
    /// <exception cref="InvalidOperationException">Nothing was observed since the last update, where that is needed.</exception>
    void Update();

    /// <summary>Saves everything that later draws depend on, so that a resumed run draws the same sources; a file in that
    /// place is replaced when the new one is complete.</summary>
    /// <exception cref="InvalidOperationException">An update has begun and not ended.</exception>
    void Save(string path);

    /// <summary>Goes back to where a mixer of the same kind and sources was when it was saved.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or of another mixer. Nothing was changed.</exception>
    void Load(string path);
}

/// <summary>A source's part in the mixture.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Probability">With which the next micro-batch is drawn from it.</param>
/// <param name="Draws">Micro-batches drawn from it so far.</param>
/// <param name="Reward">What the mixer thinks it is worth, in the mixer's own units; null where nothing is known.</param>
public readonly record struct SourceShare(string Source, double Probability, long Draws, double? Reward);
