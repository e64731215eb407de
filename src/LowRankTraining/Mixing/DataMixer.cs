using LowRankTraining.Checkpoints;

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
/// <para>Draw n is a function of the seed, n and the probabilities at that time: there is no stream of random numbers to share or to
/// lose.</para>
/// </remarks>
public abstract class DataMixer : IDisposable
{
    private const string Name = "mixer", Draws = "draws/", Updates = "updates";

    private readonly string[] _sources;
    private readonly long[] _draws;
    private readonly ulong _seed;

    /// <exception cref="ArgumentException">Fewer than two sources, an empty name, or a name that occurs twice.</exception>
    private protected DataMixer(IEnumerable<string> sources, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(sources);
        _sources = [.. sources];
        if (_sources.Length < 2)
            throw new ArgumentException($"A mixer needs at least two sources, and was given {_sources.Length}.", nameof(sources));
        if (_sources.Any(string.IsNullOrEmpty))
            throw new ArgumentException("A source has no name. Give each a name of its own.", nameof(sources));
        foreach (var name in _sources)
            SafeTensorsHeaderWriter.RequireText(name);
        if (_sources.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(group => group.Skip(1).Any()) is { } twice)
            throw new ArgumentException($"There are two sources called '{twice.Key}'. Give each a name of its own.", nameof(sources));

        (_draws, _seed) = (new long[_sources.Length], seed);
    }

    /// <value>Names of the sources.</value>
    public IReadOnlyList<string> Sources => _sources;

    /// <value>What is known of each source, in their order.</value>
    public IReadOnlyList<SourceShare> Mixture
    {
        get
        {
            var probabilities = Probabilities;
            return [.. _sources.Select((name, place) => new SourceShare(name, probabilities[place], _draws[place], RewardOf(place)))];
        }
    }

    /// <value>Of each source, in their order; they add up to 1.</value>
    public abstract IReadOnlyList<double> Probabilities { get; }

    /// <value>Calls of <see cref="Update"/> so far, in this process and before.</value>
    public long CompletedUpdates { get; private set; }

    /// <value>Says which mixers can load each other's files.</value>
    private protected abstract string Layout { get; }

    /// <value>Options that its files record, or null.</value>
    private protected virtual object? Described => null;

    /// <summary>Draws the source of the next micro-batch. It may be asked ahead of time, as loaders do.</summary>
    /// <returns>The source's name, and how many were drawn from it before: the position in it, which a resumed run goes on from.</returns>
    public (string Source, long Index) Next()
    {
        var place = PlaceAt(RandomKey.For(_seed, "mixer", "source", _draws.Sum()));
        return (_sources[place], _draws[place]++);
    }

    /// <summary>Runs a micro-batch's backward pass, and learns from what it adds to the gradients.</summary>
    /// <param name="source">Where the micro-batch came from.</param>
    /// <param name="backward">Adds to the gradients; called once. In the first call of an update they are zero or null before.</param>
    /// <exception cref="ArgumentException">There is no such source. Nothing was run.</exception>
    public void Observe(string source, Action backward)
    {
        ArgumentNullException.ThrowIfNull(backward);
        RequireSource(source, nameof(source));
        Watch(source, backward);
    }

    /// <summary>Says that the gradient of an update is complete. Call it before the optimizer's step.</summary>
    /// <exception cref="InvalidOperationException">Nothing was observed since the last update, where that is needed.</exception>
    public void Update()
    {
        Learn(CompletedUpdates + 1);
        CompletedUpdates++;
    }

    /// <summary>Saves everything that later draws depend on, so that a resumed run draws the same sources; a file in that
    /// place is replaced when the new one is complete.</summary>
    /// <exception cref="InvalidOperationException">An update has begun and not ended.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var state = new StateBag();
        state.SetCounter(Updates, CompletedUpdates);
        for (var place = 0; place < _sources.Length; place++)
            state.SetCounter(Draws + _sources[place], _draws[place]);

        Store(state);
        SafeTensorsFile.Write(path, [.. state.Sources(Name)], new CheckpointManifest
        {
            Kind = CheckpointManifest.Mixer,
            Method = GetType().Name,
            Options = MethodDescription.Of(Described),
            Step = CompletedUpdates,
            Parameters = [state.Manifest(Name, [], null, Layout)],
        });
    }

    /// <summary>Goes back to where a mixer of the same kind and sources was when it was saved.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or of another mixer. Nothing was changed.</exception>
    public void Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no saved mixer '{path}'. Check the path, or start without resuming.", path);

        using var file = SavedFile.Open(path, CheckpointManifest.Mixer);
        var manifest = file.Manifest!;
        if (manifest.Counts.Parameters != 1)
            throw new InvalidDataException($"'{path}' does not hold the state of one mixer. Go back to an older file, or start without resuming. "
                + "Nothing was changed.");
        var saved = manifest.Parameters.Single();
        if (!saved.Layout.Is(Layout))
            throw new InvalidDataException($"'{path}' is of another mixer: {saved.Layout.Short()} there, {Layout} here. "
                + "Make the mixer as in the run that was saved. Nothing was changed.");

        using var state = SavedFile.Advise(() => file.ReadBag(saved, Name, CPU));
        Restore(state);
        CompletedUpdates = state.Counter(Updates);
        for (var place = 0; place < _sources.Length; place++)
            _draws[place] = state.Counter(Draws + _sources[place]);
    }

    /// <summary>Frees what the mixer keeps.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="Dispose()"/>
    protected virtual void Dispose(bool disposing) { }

    /// <exception cref="ArgumentException">There is no such source.</exception>
    private protected void RequireSource(string source, string argument)
    {
        if (PlaceOf(source) < 0)
            throw new ArgumentException($"There is no source '{source}'. The sources are {string.Join(", ", _sources.Select(name => $"'{name}'"))}.", argument);
    }

    private protected int PlaceOf(string source) => Array.IndexOf(_sources, source);

    private protected virtual double? RewardOf(int place) => null;

    /// <summary>Runs a backward pass of one of the sources.</summary>
    private protected virtual void Watch(string source, Action backward) => backward();

    /// <summary>Ends an update.</summary>
    private protected virtual void Learn(long update) { }

    /// <summary>Puts what was learned into a bag that belongs to the caller.</summary>
    private protected virtual void Store(StateBag state) { }

    /// <summary>Takes it out again.</summary>
    private protected virtual void Restore(StateBag state) { }

    /// <summary>The source in whose part of [0, 1) a 63-bit number falls.</summary>
    private int PlaceAt(ulong key)
    {
        const int bits = 53;
        var (rest, probabilities) = ((key >> (63 - bits)) * Math.ScaleB(1, -bits), Probabilities);
        for (var place = 0; place < _sources.Length; place++)
            if ((rest -= probabilities[place]) < 0)
                return place;

        // Rounding can leave a rest of 1e-16: it belongs to the last source that can be drawn at all.
        return Enumerable.Range(0, _sources.Length).Last(place => probabilities[place] > 0);
    }
}

/// <summary>A source's part in the mixture.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Probability">With which the next micro-batch is drawn from it.</param>
/// <param name="Draws">Micro-batches drawn from it so far.</param>
/// <param name="Reward">What the mixer thinks it is worth, in the mixer's own units; null where nothing is known.</param>
public readonly record struct SourceShare(string Source, double Probability, long Draws, double? Reward);
