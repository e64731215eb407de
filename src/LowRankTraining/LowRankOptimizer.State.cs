using LowRankTraining.Checkpoints;
using LowRankTraining.Rules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining;

public sealed partial class LowRankOptimizer
{
    /// <summary>Tells the completed steps of a state that has been loaded.</summary>
    internal event Action<long>? Resumed;

    /// <summary>Copies the state of another optimizer of the same strategy, all of it or nothing.</summary>
    /// <exception cref="InvalidDataException">The state is of another strategy, rank or shape. Nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">The model was moved after the optimizer was made. Nothing was changed.</exception>
    public override void load_state_dict(StateDictionary state_dict)
    {
        ArgumentNullException.ThrowIfNull(state_dict);
        RequireLiveParameters();
        var sources = state_dict.State.OfType<ParameterState>().ToArray();
        if (sources.Length != state_dict.State.Count || sources.Length != _entries.Count || state_dict.Options.Count != _parameter_groups.Count)
            throw new InvalidDataException("The state is not of a LowRankOptimizer with the same parameters. Load into an optimizer made like the one that saved it.");

        var source = sources[0].Owner;
        if (ReferenceEquals(source, this))
            return;

        using var pending = new PendingLoad();
        for (var i = 0; i < _parameter_groups.Count; i++)
        {
            var group = (ParamGroup)_parameter_groups[i];
            var manifest = source.ManifestOf((ParamGroup)source._parameter_groups[i]);
            RequireSame(manifest, group);
            pending.Add(group.Options, (Options)state_dict.Options[i], manifest.Step);
        }

        foreach (var (target, from) in _entries.Zip(sources))
            pending.Add(target.Bag, source.WithPendingGradient(from, bag => bag.CopyTo(target.Parameter.device)));

        Commit(pending);
    }

    /// <summary>Options and state, to be given to another optimizer of the same strategy.</summary>
    /// <exception cref="InvalidOperationException">The model was moved after the optimizer was made.</exception>
    public override StateDictionary state_dict()
    {
        RequireLiveParameters();
        return base.state_dict();
    }

    private GroupManifest ManifestOf(ParamGroup group) => new(
        Session.Strategy,
        CompletedSteps,
        [.. group.Parameters.Select(parameter => (ParameterState)_state[parameter.Handle])
            .Select(entry => new ParameterManifest(entry.Plan.Name, entry.Plan.Shape, LayoutOf(entry.Plan, entry.Plan.Shape)))]);

    private void Stage(Options target, Options loaded, ParamGroup group, GroupManifest manifest)
    {
        if (ReferenceEquals(group, _parameter_groups[0]))
        {
            _pending?.Dispose();
            _pending = new PendingLoad();
        }

        RequireSame(manifest, group);
        _pending!.Add(target, loaded, manifest.Step);
    }

    /// <summary>TorchSharp reads states one by one and knows no end: the last one makes all of them take effect at once.</summary>
    private void Stage(ParameterState target, StateBag loaded)
    {
        if (_pending is null)
            throw new InvalidOperationException("The state of a single parameter cannot be loaded by itself: call load_state_dict on the optimizer.");

        _pending.Add(target.Bag, loaded);
        if (_pending.BagCount < _entries.Count)
            return;

        using var complete = _pending;
        _pending = null;
        Commit(complete);
    }

    private void Commit(PendingLoad pending)
    {
        pending.Apply();
        ResumeWindow();
        CompletedSteps = pending.Step;
        Session.ResumeAt(pending.Step, this);
        Resumed?.Invoke(CompletedSteps);
    }

    private void RequireSame(GroupManifest saved, ParamGroup group)
    {
        var plans = group.Parameters.Select(parameter => ((ParameterState)_state[parameter.Handle]).Plan).ToArray();
        var expected = new GroupManifest(Session.Strategy, saved.Step,
            [.. plans.Select((plan, index) => (plan, shape: plan.ExpectedShape(saved.Step, saved.Parameters.ElementAtOrDefault(index)?.Shape ?? [])))
                .Select(pair => new ParameterManifest(pair.plan.Name, pair.shape, LayoutOf(pair.plan, pair.shape)))]);

        if (expected.DifferenceFrom(saved) is { } difference)
            throw new InvalidDataException($"{difference} Make the optimizer with the options that the state was saved with, or start without loading it. Nothing was changed.");
    }

    /// <summary>What the state looks like, and in which precision it is computed: that of half-precision weights is float32, and fits float32 ones.</summary>
    private static string LayoutOf(ParameterPlan plan, long[] shape)
    {
        var layout = plan.Rule.LayoutFor(shape);
        return plan.Parameter.dtype == ScalarType.Float64 ? $"{layout}, of float64" : layout;
    }

    /// <summary>The optimizer's memory of one parameter, as TorchSharp wants to see it.</summary>
    private sealed class ParameterState : OptimizerState
    {
        private readonly (ScalarType, DeviceType, int) _madeFor;

        public ParameterState(Parameter parameter, ParameterPlan plan, int index, LowRankOptimizer owner) : base(parameter)
        {
            Plan = plan;
            Index = index;
            Owner = owner;
            _madeFor = Placement;
        }

        /// <value>Whether the parameter has been moved since, without becoming another: those that live in native code do not.</value>
        public bool WasMoved => Placement != _madeFor;

        public ParameterPlan Plan { get; }

        public int Index { get; }

        public LowRankOptimizer Owner { get; }

        public StateBag Bag { get; } = new();

        public Parameter Parameter => _parameter;

        private (ScalarType, DeviceType, int) Placement => (_parameter.dtype, _parameter.device_type, _parameter.device_index);

        public override void Initialize(OptimizerOptions options) => Bag.Clear();

        public override void SaveStateDict(BinaryWriter writer) => Owner.WithPendingGradient(this, bag =>
        {
            bag.Write(writer);
            return bag;
        });

        public override void LoadStateDict(BinaryReader reader) => Owner.Stage(this, StateBagFormat.Read(reader, Parameter.device));

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
    }
}
