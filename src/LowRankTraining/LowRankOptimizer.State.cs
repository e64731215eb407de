using LowRankTraining.Checkpoints;
using LowRankTraining.Diagnostics;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

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

        var saved = source.ManifestOfState();
        RequireFits(saved);
        using var pending = new PendingLoad(() => Commit(saved));
        foreach (var (group, loaded) in _parameter_groups.Zip(state_dict.Options))
            pending.Add(((ParamGroup)group).Options, loaded);
        source.WithPendingGradients(() =>
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

    /// <summary>Writes options and state to a file. It is written beside an old one and takes its place when it is complete: a failure leaves the old one as
    /// it was.</summary>
    /// <param name="location">Where. <see cref="OptimizerHelper.load_state_dict(string)"/> reads it.</param>
    /// <exception cref="InvalidOperationException">The model was moved after the optimizer was made. Nothing was written.</exception>
    public new void save_state_dict(string location)
    {
        ArgumentException.ThrowIfNullOrEmpty(location);
        RequireLiveParameters();
        AtomicFile.Write(location, stream =>
        {
            using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
            base.save_state_dict(writer);
        });
    }

    void ISavedOptimizer.RequireReady(string consequence, string done)
    {
        RequireLiveParameters();
        RequireNotWithinStep(consequence, done);
        if (Session.IsMerged)
            throw new InvalidOperationException(
                $"The factors are merged into the weights, {consequence}: call Unmerge() on the session first. Nothing was {done}.");
        if (IsParallel && HasOpenWindow)
            throw new InvalidOperationException("What has been accumulated for the next step is of this process alone, and a checkpoint is of all: "
                + $"call step() first, or zero_grad() to drop it. Nothing was {done}.");
    }

    IDisposable? ISavedOptimizer.Collect() => CollectStates(keeps: ((ISavedOptimizer)this).Writes);

    bool ISavedOptimizer.Writes => _world is not { Rank: > 0 };

    void ISavedOptimizer.Meet()
    {
        if (_world is not null)
            _ = Gathered([1]);
    }

    void ISavedOptimizer.Show(Action<CheckpointManifest, IReadOnlyList<TensorSource>> use) => WithPendingGradients(() =>
        use(ManifestOfState(), [.. _entries.SelectMany(entry => entry.Bag.Sources(entry.Plan.Name))]));

    long[] ISavedOptimizer.ExpectedShape(Tensor tensor, long step, long[] saved) =>
        _plans.GetValueOrDefault(ParameterIdentity.Of(tensor))?.ExpectedEntry(step, saved) ?? tensor.shape;

    string? ISavedOptimizer.DifferenceFrom(CheckpointManifest saved) => DifferenceFrom(saved);

    PendingLoad ISavedOptimizer.Read(SafeTensorsFile file) => Read(file);

    IReadOnlyList<OptionChange> ISavedOptimizer.ChangesSince(CheckpointManifest saved) => ChangesSince(saved);

    private CheckpointManifest ManifestOfState() => new()
    {
        Kind = CheckpointManifest.OptimizerState,
        Optimizer = nameof(LowRankOptimizer),
        Method = Session.Strategy,
        Options = MethodDescription.Of(Session.Method),
        Seed = Session.Seed,
        Step = CompletedSteps,
        LastNorm = _lastNorm,
        Groups = [.. _parameter_groups.Cast<ParamGroup>().Select(group => group.Options.Manifest(group.Parameters.Count()))],
        Parameters = [.. _entries.Select(entry => entry.Manifest(entry.Plan.Shape))],
    };

    private string? DifferenceFrom(CheckpointManifest saved)
    {
        var expected = ManifestOfState() with
        {
            Parameters =
            [
                .. _entries.Select((entry, index) =>
                    entry.Manifest(entry.Plan.ExpectedShape(saved.Step, saved.Parameters.ElementAtOrDefault(index)?.Shape ?? []))),
            ],
        };
        return expected.DifferenceFrom(saved) is { } difference
            ? $"{difference}{OptionChange.Sentence(ChangesSince(saved))} Make the optimizer with the options that the state was saved with, "
                + "or start without loading it."
            : null;
    }

    private void RequireFits(CheckpointManifest saved)
    {
        if (DifferenceFrom(saved) is { } difference)
            throw new InvalidDataException($"{difference} Nothing was changed.");
    }

    private IReadOnlyList<OptionChange> ChangesSince(CheckpointManifest saved) =>
        saved.Method == Session.Strategy ? MethodDescription.Changes(saved.Options, Session.Method) : [];

    private PendingLoad Read(SafeTensorsFile file)
    {
        var saved = file.Manifest!;
        var pending = new PendingLoad(() => Commit(saved));
        try
        {
            foreach (var (group, loaded) in _parameter_groups.Zip(saved.Groups))
                pending.Add(((ParamGroup)group).Options, Options.Of(loaded));
            foreach (var (entry, from) in _entries.Zip(saved.Parameters))
                pending.Add(entry.Bag, entry.Fitted(file.ReadBag(from, entry.Parameter.device), SafeTensorsHeader.TypeOf(from.Dtype)));
            return pending;
        }
        catch
        {
            pending.Dispose();
            throw;
        }
    }

    private void Commit(CheckpointManifest saved)
    {
        ResumeWindow();
        StartWindow();
        _comparesNext = true;
        DropStatesElsewhere();
        CompletedSteps = saved.Step;
        _lastNorm = saved.LastNorm;
        Session.ResumeAt(saved.Step, this);
        Resumed?.Invoke(CompletedSteps);
        if (PrecisionSince(saved).Concat(ChangesSince(saved)).ToList() is { Count: > 0 } changes)
            Session.Method?.Logger?.OptionsChanged(Session.Strategy, string.Join("; ", changes));
    }

    /// <summary>State is cast to the precision of its parameter, as in PyTorch; the run is then another one.</summary>
    private IEnumerable<OptionChange> PrecisionSince(CheckpointManifest saved) => _entries.Zip(saved.Parameters)
        .Select(pair => (pair.First.Plan.Name, Before: pair.Second.Dtype, Now: SafeTensorsHeader.NameOf(pair.First.Parameter.dtype)))
        .Where(dtype => dtype.Before != dtype.Now).GroupBy(dtype => (dtype.Before, dtype.Now))
        .Select(same => new OptionChange($"The dtype of {same.Count()} parameters ('{same.First().Name}')", same.Key.Before ?? "unknown", same.Key.Now));

    private bool IsFirst(ParamGroup group) => ReferenceEquals(group, _parameter_groups[0]);

    private void Save(Stream stream)
    {
        using var states = CollectStates(keeps: true);
        ((ISavedOptimizer)this).Show((manifest, tensors) => SafeTensorsFile.Write(stream, tensors, manifest));
    }

    private void Load(Stream stream)
    {
        // The stream is its owner's: what follows the state is not ours.
        var file = SavedFile.Advise(() => SafeTensorsFile.Open(stream, "The state of the optimizer"));
        RequireFits(file.Manifest ?? throw new InvalidDataException("The state is not that of a LowRankOptimizer. Nothing was changed."));
        using var pending = SavedFile.Advise(() => Read(file));
        pending.Apply();
    }

    /// <summary>The optimizer's memory of one parameter, as TorchSharp wants to see it.</summary>
    private sealed class ParameterState : OptimizerState, IGradientTaker
    {
        private readonly (ScalarType, DeviceType, int) _madeFor;

        public ParameterState(Parameter parameter, ParameterPlan plan, int index, LowRankOptimizer owner) : base(parameter)
        {
            Plan = plan;
            Index = index;
            Optimizer = owner;
            Bag = plan.NewState(PendingGradient);
            Store = plan.Store ?? (plan.HasRemainder ? new RemainderStore(parameter, Bag) : new ParameterStore(parameter));
            _madeFor = Placement;
        }

        /// <value>Whether the parameter has been moved since, without becoming another: those that live in native code do not.</value>
        public bool WasMoved => Placement != _madeFor;

        /// <value>Whether a read of its numbers would have to wait for another processor.</value>
        public bool IsOnDevice => _madeFor.Item2 != DeviceType.CPU;

        public ParameterPlan Plan { get; }

        /// <value>The process that has the state and takes the step; null where all do.</value>
        public int? Owner { get; set; }

        public int Index { get; }

        public LowRankOptimizer Optimizer { get; }

        /// <value>The group that it is in.</value>
        public required ParamGroup Group { get; init; }

        /// <value>Whether it has been updated in a backward pass since the last step.</value>
        public bool IsUpdated { get; set; }

        public StateBag Bag { get; }

        public IWeightStore Store { get; }

        /// <value>What of the gradient the micro-batches have in them, where they are taken lane by lane.</value>
        public Held InLanes { get; set; }

        /// <value>Micro-batches of this step, where they are taken lane by lane.</value>
        public LaneGradients Lanes { get; } = new();

        public Parameter Parameter => _parameter;

        private (ScalarType, DeviceType, int) Placement => (_parameter.dtype, _parameter.device_type, _parameter.device_index);

        public override void Initialize(OptimizerOptions options) => Bag.Clear();

        bool IGradientTaker.TakeProduct(Tensor delta, Tensor input, bool isAll)
        {
            // What is looked at besides the projection has to be of the whole gradient: of all passes through the layer, and of all processes.
            var step = Optimizer.ContextFor(this);
            return ((isAll && !Optimizer.IsParallel) || Plan.Rule.NeedsOnlyProjection(Bag, step)) && Plan.Rule.TryAccumulateProduct(delta, input, Bag, step);
        }

        bool IGradientTaker.TakeComplete(Tensor? held)
        {
            // Those of the other processes are not in it yet.
            if (Optimizer.IsParallel)
                return false;

            using var scope = NewDisposeScope();
            return Optimizer.TryUpdateInBackward(this)
                || (held is not null && Plan.Rule.TryTakeWhole(Optimizer.Ready(held), Bag, Optimizer.ContextFor(this)));
        }

        /// <summary>What is saved of it, for a weight of some shape.</summary>
        public ParameterManifest Manifest(long[] shape) => Bag.Manifest(Plan.Name, shape, SafeTensorsHeader.NameOf(Parameter.dtype), LayoutFor(shape));

        /// <summary>Nothing: the options of the first group hold all states.</summary>
        public override void SaveStateDict(BinaryWriter writer) { }

        /// <inheritdoc cref="SaveStateDict"/>
        public override void LoadStateDict(BinaryReader reader) { }

        public override void LoadStateDict(OptimizerState source)
        {
            using var copy = ((ParameterState)source).Bag.CopyTo(Parameter.device);
            Bag.TakeFrom(copy);
        }

        public override void to(Device device)
        {
            using var moved = Bag.CopyTo(device);
            Bag.TakeFrom(moved);
        }

        public override bool ApproximatelyEquals(OptimizerState other) =>
            other is ParameterState { Bag: var bag }
            && Bag.Counters.SequenceEqual(bag.Counters)
            && Bag.Tensors.Keys.SequenceEqual(bag.Tensors.Keys)
            && Bag.Tensors.All(slot => slot.Value.allclose(bag[slot.Key]));

        /// <summary>What was saved for a parameter, cast where that one was of another dtype.</summary>
        public StateBag Fitted(StateBag loaded, ScalarType? saved)
        {
            if (saved != Parameter.dtype || !Plan.HasRemainder)
                RemainderStore.Drop(loaded);
            if (saved == Parameter.dtype)
                return loaded;

            using var scope = NewDisposeScope();
            using var pending = loaded.TryGet(PendingGradient, out var gradient) ? gradient.to(Parameter.dtype, copy: true) : null;
            loaded.Cast(Parameter.dtype.Computing(), Plan.Slots.Where(slot => slot.IsSingle).Select(slot => slot.Name).ToHashSet());
            if (pending is not null)
                loaded.Set(PendingGradient, pending.alias());
            return loaded;
        }

        private string LayoutFor(long[] shape) => Plan.Rule.LayoutFor(shape);
    }
}
