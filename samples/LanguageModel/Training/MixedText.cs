using LanguageModel.Data;
using LanguageModel.Tokens;
using LowRankTraining.Mixing;

namespace LanguageModel.Training;

/// <summary>Several texts, of which a mixer chooses one for every step.</summary>
/// <remarks>The position in each text is the number of batches drawn from it, which the mixer knows. So all there is to save is the mixer.</remarks>
public sealed class MixedText : TrainingData
{
    private readonly DataMixer mixer;
    private readonly Dictionary<string, BatchSampler> samplers;
    private readonly bool writes;
    private string current = "";

    /// <summary>Mixes <paramref name="sources"/>; the validation tokens are shared out among them.</summary>
    /// <exception cref="UserException">One of them is too small for a sequence.</exception>
    public MixedText(IReadOnlyList<(string Name, TextCorpus Text)> sources, DataMixer mixer, TrainingOptions options, CorpusTokenizer? tokenizer = null)
    {
        (this.mixer, writes) = (mixer, options.World is not { Rank: > 0 });
        samplers = sources.ToDictionary(source => source.Name, source => Named(source.Name, () =>
            new BatchSampler(tokenizer?.Encode(source.Text.Training) ?? source.Text.Training, options.Batch, options.Sequence, (ulong)options.Seed)));
        Validation = [.. sources.Select(source => ((string?)source.Name, Named(source.Name, () =>
            ValidationSet.Batches(tokenizer?.Encode(source.Text.Validation) ?? source.Text.Validation, options.Batch, options.Sequence,
                options.EvaluationTokens / sources.Count))))];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string? Source, IReadOnlyList<TokenBatch> Batches)> Validation { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<SourceShare> Mixture => mixer.Mixture;

    /// <inheritdoc/>
    public override TokenBatch At(long step)
    {
        (current, var index) = mixer.Next();
        return samplers[current].At(index);
    }

    /// <inheritdoc/>
    public override void Backward(Action backward) => mixer.Observe(current, backward);

    /// <inheritdoc/>
    public override void EndStep() => mixer.Update();

    /// <inheritdoc/>
    /// <remarks>The mixer's file bears the step in its name and is written before the checkpoint; those of other steps go afterwards. So whenever the program
    /// is cut off, checkpoint and mixer of one step are there.</remarks>
    public override void Save(string folder, long step, Action saveCheckpoint)
    {
        if (!writes)
        {
            saveCheckpoint();
            return;
        }

        Directory.CreateDirectory(folder);
        mixer.Save(FileOf(folder, step));
        saveCheckpoint();
        foreach (var other in Directory.EnumerateFiles(folder, "mixer-*.dat").Where(file => file != FileOf(folder, step)))
            File.Delete(other);
    }

    /// <inheritdoc/>
    /// <exception cref="UserException">There is no such mixer, or it is of other sources.</exception>
    public override void Load(string folder, long step)
    {
        try
        {
            mixer.Load(FileOf(folder, step));
        }
        catch (Exception refusal) when (refusal is InvalidDataException or FileNotFoundException)
        {
            throw new UserException(refusal.Message);
        }
    }

    private static string FileOf(string folder, long step) => Path.Combine(folder, $"mixer-{step}.dat");

    private static T Named<T>(string source, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (UserException mistake)
        {
            throw new UserException($"Source '{source}': {mistake.Message}");
        }
    }
}
