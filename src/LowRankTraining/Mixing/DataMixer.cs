using LowRankTraining.Checkpoints;

namespace LowRankTraining.Mixing;

/// <summary>What the mixers of this library have in common: names, draws, saving and loading.</summary>
/// <remarks>Draw n is a function of the seed, n and the probabilities at that time: there is no stream of random numbers to share or to lose.</remarks>
public abstract class DataMixer : IDataMixer
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

    /// <inheritdoc/>
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

    /// <inheritdoc/>
    public long CompletedUpdates { get; private set; }

    /// <value>Says which mixers can load each other's files.</value>
    private protected abstract string Layout { get; }

    /// <value>Options that its files record, or null.</value>
    private protected virtual object? Described => null;

    /// <inheritdoc/>
    public (string Source, long Index) Next()
    {
        var place = PlaceAt(RandomKey.For(_seed, "mixer", "source", _draws.Sum()));
        return (_sources[place], _draws[place]++);
    }

    /// <inheritdoc/>
    public void Observe(string source, Action backward)
    {
        ArgumentNullException.ThrowIfNull(backward);
        RequireSource(source, nameof(source));
        Watch(source, backward);
    }

    /// <inheritdoc/>
    public void Update()
    {
        Learn(CompletedUpdates + 1);
        CompletedUpdates++;
    }

    /// <inheritdoc/>
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

    /// <inheritdoc/>
    public void Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no saved mixer '{path}'. Check the path, or start without resuming.", path);

        using var file = SavedFile.Open(path, CheckpointManifest.Mixer);
        if (file.Manifest!.Parameters is not [var saved])
            throw new InvalidDataException($"'{path}' does not hold the state of one mixer. Go back to an older file, or start without resuming. "
                + "Nothing was changed.");
        if (saved.Layout != Layout)
            throw new InvalidDataException(
                $"'{path}' is of another mixer: {saved.Layout} there, {Layout} here. Make the mixer as in the run that was saved. Nothing was changed.");

        using var state = SavedFile.Advise(() => file.ReadBag(saved, CPU));
        Restore(state);
        CompletedUpdates = state.Counter(Updates);
        for (var place = 0; place < _sources.Length; place++)
            _draws[place] = state.Counter(Draws + _sources[place]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the mixer keeps.</summary>
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
