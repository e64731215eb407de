using LowRankTraining.Checkpoints;

namespace LowRankTraining;

public sealed partial class LowRankOptimizer : ISavedOptimizer
{
    /// <summary>Tells the completed steps of a state that has been loaded.</summary>
    internal event Action<long>? Resumed;

    long? ISavedOptimizer.CompletedSteps => CompletedSteps;

    /// <summary>Copies the state of another optimizer of the same strategy, all of it or nothing.</summary>
    /// <exception cref="InvalidDataException">The state is of another strategy, rank or shape. Nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">The model was moved after the optimizer was made. Nothing was changed.</exception>
    public override void load_state_dict(StateDictionary state_dict)
    {
        ArgumentNullException.ThrowIfNull(state_dict);
        RequireLiveParameters();
        var sources = state_dict.State.OfType<ParameterState>().ToArray();
        if (sources.Length != state_dict.State.Count || sources.Length != _entries.Count || state_dict.Options.Count != _parameter_groups.Count)
            throw new InvalidDataException(
                "The state is not of a LowRankOptimizer with the same parameters. Load into an optimizer made like the one that saved it.");

        var source = sources[0].Optimizer;
        if (ReferenceEquals(source, this))
            return;
        if (_entries.Zip(sources).Any(pair => source.IsElsewhere(pair.Second) && !IsElsewhere(pair.First)))
            throw new InvalidDataException("The state is divided among processes, and this process has a part of it: save a checkpoint and load that. "
                + "Nothing was changed.");

        var saved = SavedManifest.Of(source.ManifestOfState());
        RequireFits(saved);
        using var lasting = LastingTensors.Begin();
        using var pending = new PendingLoad(() => Commit(saved));
        foreach (var (group, loaded) in _parameter_groups.Zip(state_dict.Options))
            pending.Add(((ParamGroup)group).Options, loaded);
        source.ShowState(() =>
        {
            foreach (var (target, from) in _entries.Zip(sources))
                pending.Add(target.Bag, target.Fitted(from.Bag.CopyTo(target.Parameter.device), from.Parameter.dtype));
        });
        pending.Apply();
    }

    /// <summary>Options and state, to be given to another optimizer of the same strategy.</summary>
    /// <exception cref="InvalidOperationException">The model was moved after the optimizer was made.</exception>
    public override StateDictionary state_dict()
    {
        RequireLiveParameters();
        return base.state_dict();
    }

    /// <summary>Nothing has to be moved: state is where its parameters are.</summary>
    /// <param name="device">Where the parameters are.</param>
    /// <exception cref="InvalidOperationException">They are elsewhere, or the model was moved after the optimizer was made. Nothing was changed.</exception>
    public new void to(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        RequireLiveParameters();
        if (_entries.Find(entry => entry.Parameter.device_type != device.type) is { } elsewhere)
            throw new InvalidOperationException($"State stays where its parameters are, and '{elsewhere.Plan.Name}' is on {elsewhere.Parameter.device}: move "
                + "the model first, then make the optimizer (and load its state). Nothing was changed.");
        base.to(device);
    }

    /// <summary>Writes options and state to a file. It is written beside an old one and takes its place when it is complete: a failure leaves the old one as
    /// it was.</summary>
    /// <param name="location">Where. <see cref="OptimizerHelper.load_state_dict(string)"/> reads it.</param>
    /// <exception cref="InvalidOperationException">The model was moved after the optimizer was made. Nothing was written.</exception>
    public new void save_state_dict(string location)
    {
        ArgumentException.ThrowIfNullOrEmpty(location);
        RequireLiveParameters();
        RequireUnfinished("saved");
        AtomicFile.Write(location, stream =>
        {
            using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
            base.save_state_dict(writer);
        });
    }

    void ISavedOptimizer.RequireReady(string consequence, string done)
    {
        RequireLiveParameters();
        RequireUnfinished(done);
        RequireNotWithinStep(consequence, done);
        if (Session.IsMerged)
            throw new InvalidOperationException(
                $"The factors are merged into the weights, {consequence}: call Unmerge() on the session first. Nothing was {done}.");
        if (IsParallel && Window.IsOpen)
            throw new InvalidOperationException("What has been accumulated for the next step is of this process alone, and a checkpoint is of all: "
                + $"call step() first, or zero_grad() to drop it. Nothing was {done}.");
    }

    IDisposable? ISavedOptimizer.Collect() => CollectStates(keeps: ((ISavedOptimizer)this).Writes);

    bool ISavedOptimizer.Writes => World is not { Rank: > 0 };

    void ISavedOptimizer.Barrier() => _replicas?.Barrier();

    void ISavedOptimizer.Show(Action<CheckpointManifest, IReadOnlyList<TensorSource>> use) => ShowState(() =>
        use(ManifestOfState(), [.. _entries.SelectMany(entry => entry.Bag.Sources(entry.Plan.Name))]));

    long[] ISavedOptimizer.ExpectedShape(Tensor tensor, long step, long[] saved) =>
        _plans.GetValueOrDefault(ParameterIdentity.Of(tensor))?.ExpectedEntry(step, saved) ?? tensor.shape;

    string? ISavedOptimizer.DifferenceFrom(SavedManifest saved) => DifferenceFrom(saved);

    PendingLoad ISavedOptimizer.Read(SafeTensorsFile file) => Read(file);

    IReadOnlyList<OptionChange> ISavedOptimizer.ChangesSince(SavedManifest saved) => ChangesSince(saved);

    /// <summary>Lets states be looked at with all that an open window has left elsewhere.</summary>
    /// <exception cref="InvalidOperationException">Gradients are divided for a step that has not been taken.</exception>
    private void ShowState(Action use)
    {
        if (Window.IsDivided)
            throw new InvalidOperationException("The gradients are unscaled for a step that has not been taken, which a saved state does not know: "
                + $"call {nameof(LossScaler)}.step(optimizer) first, or zero_grad() to drop them. Nothing was saved.");
        Session.BeforeSave(this);
        Window.Show(use);
    }

    private CheckpointManifest ManifestOfState() => new()
    {
        Kind = CheckpointManifest.OptimizerState,
        Optimizer = nameof(LowRankOptimizer),
        Method = Session.Strategy,
        Options = MethodDescription.Of(Session.Method),
        Seed = Session.Seed,
        Step = CompletedSteps,
        LastNorm = Window.LastNorm,
        Groups = [.. _parameter_groups.Cast<ParamGroup>().Select(group => group.Options.Manifest(group.Parameters.Count()))],
        Parameters = [.. _entries.Select(entry => entry.Manifest(entry.Plan.Shape))],
    };

    private string? DifferenceFrom(SavedManifest saved)
    {
        var now = ManifestOfState();
        var expected = now with
        {
            Parameters =
            [
                .. _entries.Zip(saved.Parameters, (entry, from) => entry.Manifest(entry.Plan.ExpectedShape(saved.Step, from.Shape))),
                .. now.Parameters.Skip(saved.Counts.Parameters),
            ],
        };
        return expected.DifferenceFrom(saved) is { } difference
            ? $"{difference}{OptionChange.Sentence(ChangesSince(saved))} Make the optimizer with the options that the state was saved with, "
                + "or start without loading it."
            : null;
    }

    private void RequireFits(SavedManifest saved)
    {
        if (SavedFile.Advise(() => DifferenceFrom(saved)) is { } difference)
            throw new InvalidDataException($"{difference} Nothing was changed.");
    }

    private IReadOnlyList<OptionChange> ChangesSince(SavedManifest saved) =>
        saved.Method.Is(Session.Strategy) ? MethodDescription.Changes(saved.Options, Session.Method) : [];

    private PendingLoad Read(SafeTensorsFile file)
    {
        var saved = file.Manifest!;
        var pending = new PendingLoad(() => Commit(saved));
        try
        {
            foreach (var (group, loaded) in _parameter_groups.Zip(saved.Groups))
                pending.Add(((ParamGroup)group).Options, Options.Of(loaded));
            foreach (var (entry, from) in _entries.Zip(saved.Parameters))
                pending.Add(entry.Bag, entry.Fitted(file.ReadBag(from, entry.Plan.Name, entry.Parameter.device), SafeTensorsTypes.TypeOf(from.Dtype)));
            return pending;
        }
        catch
        {
            pending.Dispose();
            throw;
        }
    }

    private void Commit(SavedManifest saved)
    {
        _replicas?.Resume();
        CompletedSteps = saved.Step;
        Window.LastNorm = saved.LastNorm;
        Session.ResumeAt(saved.Step, this);

        // Parameters have the shapes of the file now, which gradients must have too.
        Window.Resume();
        Resumed?.Invoke(CompletedSteps);
        if (PrecisionSince(saved).Concat(ChangesSince(saved)).ToList() is { Count: > 0 } changes)
            Session.Method?.Logger?.OptionsChanged(Session.Strategy, string.Join("; ", changes));
    }

    /// <summary>State is cast to the precision of its parameter, as in PyTorch; the run is then another one.</summary>
    private IEnumerable<OptionChange> PrecisionSince(SavedManifest saved) => _entries.Zip(saved.Parameters)
        .Select(pair => (pair.First.Plan.Name, Before: pair.Second.Dtype, Now: SafeTensorsTypes.NameOf(pair.First.Parameter.dtype)))
        .Where(dtype => dtype.Before != dtype.Now).GroupBy(dtype => (dtype.Before, dtype.Now))
        .Select(same => new OptionChange($"The dtype of {same.Count()} parameters ('{same.First().Name}')", same.Key.Before ?? "unknown", same.Key.Now));

    /// <summary>Brings all states here, on every process that keeps them.</summary>
    /// <returns>Disposed when they are not needed any more; null where they are here anyway.</returns>
    private IDisposable? CollectStates(bool keeps) => _replicas is { Owned.Any: true } ? _replicas.Owned.Collect(keeps) : null;

    private bool IsFirst(ParamGroup group) => ReferenceEquals(group, _parameter_groups[0]);

    private void Save(Stream stream)
    {
        using var states = CollectStates(keeps: true);
        ((ISavedOptimizer)this).Show((manifest, tensors) => SafeTensorsFile.Write(stream, tensors, manifest));
    }

    private void Load(Stream stream)
    {
        using var lasting = LastingTensors.Begin();

        // The stream is its owner's: what follows the state is not ours.
        var file = SavedFile.Advise(() => SafeTensorsFile.Open(stream, "The state of the optimizer"));
        RequireFits(file.Manifest ?? throw new InvalidDataException("The state is not that of a LowRankOptimizer. Nothing was changed."));
        using var pending = SavedFile.Advise(() => Read(file));
        pending.Apply();
    }
}
