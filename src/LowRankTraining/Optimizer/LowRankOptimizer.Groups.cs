using static System.FormattableString;

namespace LowRankTraining;

public sealed partial class LowRankOptimizer
{
    /// <summary>Tells of a group of parameters that has come in, whose rate is its initial one.</summary>
    internal event Action<optim.ILearningRateController>? GroupAdded;

    /// <summary>Adds parameters with options of their own; schedules that are bound lead their rate from now on. Those that the session does not know are
    /// updated by the group's method, or as the optimizer's own method updates what it is not for.</summary>
    /// <exception cref="ArgumentException">The group is not a <see cref="ParamGroup"/>, or one of its parameters is handled already or cannot be trained.
    /// Nothing was changed.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Its learning rate or weight decay is negative or not a number. Nothing was changed.</exception>
    public override void add_param_group(TorchSharp.Modules.ParamGroup param_group)
    {
        if (param_group is not ParamGroup group)
            throw new ArgumentException($"A {nameof(LowRankOptimizer)} takes groups of type "
                + $"{nameof(LowRankOptimizer)}.{nameof(ParamGroup)}.", nameof(param_group));

        RequireLiveParameters();
        if (group.Parameters.Any(parameter => parameter is null || parameter.IsInvalid))
            throw new ArgumentException("A parameter of the group is null or was disposed. Pass those of the model as it is now. Nothing was changed.",
                nameof(param_group));

        // The sequence that users pass is often lazy: it would walk the whole model at every step. A shared parameter may come in several objects.
        var parameters = group.Parameters.DistinctBy(parameter => ParameterIdentity.Of(parameter)).ToArray();
        if (parameters.Any(parameter => EntryOf(parameter) is not null))
            throw new ArgumentException("A parameter stands in two groups. Give each parameter to one group.", nameof(param_group));

        if (Array.Find(parameters, parameter => !parameter.is_floating_point()) is { } other)
            throw new ArgumentException(
                "Only float64, float32, bfloat16 and float16 parameters can be trained, and "
                + $"{(NameOf(other, group) is { } called ? $"'{called}'" : "one of the group")} is {other.dtype}. Nothing was changed.",
                nameof(param_group));
        group.Options?.Require();

        var plans = parameters.Select((parameter, index) => PlanFor(parameter, group, _entries.Count + index)).ToArray();
        if (plans.Select(plan => plan.Name).Concat(_entries.Select(entry => entry.Plan.Name)).GroupBy(name => name).FirstOrDefault(same => same.Count() > 1)
            is { } twice)
            throw new ArgumentException($"Two parameters are called '{twice.Key}'. Give each a name of its own. Nothing was changed.", nameof(param_group));
        SharedMemory.Refuse(_entries.Select(entry => (entry.Plan.Name, entry.Parameter))
            .Concat(plans.Zip(parameters, (plan, parameter) => (plan.Name, parameter))));

        group.Parameters = parameters;
        group.Options ??= new Options();
        group.Options.FillFrom((Options)_defaults);
        group.Options.Attach(this, group);

        foreach (var (parameter, plan) in parameters.Zip(plans))
        {
            var entry = new ParameterState(parameter, plan, _entries.Count, this) { Group = group };
            plan.Sink?.Open(plan.Name, entry);
            _entries.Add(entry);
            _states[ParameterIdentity.Of(parameter)] = entry;
            _state[parameter.Handle] = entry;
        }

        base.add_param_group(group);
        GroupAdded?.Invoke(group);
    }

    private static Dictionary<ParameterIdentity, ParameterPlan> PlansOf(IReadOnlyList<ParameterPlan> parameters)
    {
        var plans = parameters.ToLookup(plan => ParameterIdentity.Of(plan.Parameter));
        if (plans.FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new ArgumentException(
                $"{string.Join(" and ", twice.Select(plan => $"'{plan.Name}'"))} are one parameter, and the session has a plan for each. "
                + "Where the model came to share it after the strategy was attached, share it first, then attach.");
        return plans.ToDictionary(same => same.Key, same => same.Single());
    }

    private ParameterPlan PlanFor(Parameter parameter, ParamGroup group, int index)
    {
        if (_plans.TryGetValue(ParameterIdentity.Of(parameter), out var plan))
            return plan;

        var name = NameOf(parameter, group) ?? $"added[{index}]";
        return (group.Method ?? Session.Method)?.PlanAdded(name, parameter, isTarget: group.Method is not null) ?? new(name, parameter, new AdamRule());
    }

    private string? NameOf(Parameter parameter, ParamGroup group)
    {
        var identity = ParameterIdentity.Of(parameter);
        return _plans.TryGetValue(identity, out var plan) ? plan.Name : group.Names.GetValueOrDefault(identity);
    }

    /// <summary>What a group of parameters shares.</summary>
    public sealed partial class Options : OptimizerOptions
    {
        private LowRankOptimizer? _optimizer;
        private ParamGroup? _group;

        /// <summary>Decoupled weight decay λ, at least 0.</summary>
        public double? weight_decay;

        /// <exception cref="ArgumentOutOfRangeException">A number that was given is negative or not finite.</exception>
        internal void Require()
        {
            RequireNonNegative(LearningRate ?? 0, "ParamGroup.lr");
            RequireNonNegative(weight_decay ?? 0, "ParamGroup.weight_decay");
        }

        /// <value>What of the numbers, as they are now, no step can be taken with; null where all are sound.</value>
        internal string? Objection =>
            !IsSound(LearningRate) ? Invariant($"the learning rate is {LearningRate} and must be a finite number of at least 0")
            : !IsSound(weight_decay) ? Invariant($"the weight decay is {weight_decay} and must be a finite number of at least 0")
            : beta1 is not (null or (>= 0 and < 1)) ? Invariant($"β₁ is {beta1} and must be at least 0 and below 1")
            : beta2 is not (null or (>= 0 and < 1)) ? Invariant($"β₂ is {beta2} and must be at least 0 and below 1")
            : null;

        private static bool IsSound(double? number) => number is null or (>= 0 and <= double.MaxValue);

        internal void FillFrom(Options defaults)
        {
            LearningRate ??= defaults.LearningRate;
            InitialLearningRate = LearningRate!.Value;
            weight_decay ??= defaults.weight_decay;
        }

        internal void Attach(LowRankOptimizer optimizer, ParamGroup group) => (_optimizer, _group) = (optimizer, group);

        internal Checkpoints.GroupManifest Manifest(int parameters) => new(parameters, LearningRate, InitialLearningRate, weight_decay, beta1, beta2);

        internal static Options Of(Checkpoints.GroupManifest saved) => new()
        {
            LearningRate = saved.LearningRate ?? throw new InvalidDataException("A group of parameters has no learning rate."),
            InitialLearningRate = saved.InitialLearningRate ?? 0,
            weight_decay = saved.WeightDecay,
            beta1 = saved.Beta1,
            beta2 = saved.Beta2,
        };

        /// <summary>Writes a safetensors file with the options of all groups and all states, for the first group; nothing for the others.</summary>
        public override void SaveStateDict(BinaryWriter writer)
        {
            _optimizer!.RequireLiveParameters();
            _optimizer.RequireUnfinished("saved");
            if (_optimizer.IsFirst(_group!))
                _optimizer.Save(writer.BaseStream);
        }

        /// <summary>Reads what <see cref="SaveStateDict"/> wrote, checks all of it, and takes it over.</summary>
        /// <exception cref="InvalidDataException">The state is damaged, or of another strategy, rank or shape. Nothing was changed.</exception>
        public override void LoadStateDict(BinaryReader reader)
        {
            _optimizer!.RequireLiveParameters();
            _optimizer.RequireUnfinished("changed");
            if (_optimizer.IsFirst(_group!))
                _optimizer.Load(reader.BaseStream);
        }

        /// <summary>Copies the options of another optimizer.</summary>
        public override void LoadStateDict(OptimizerOptions source)
        {
            base.LoadStateDict(source);
            if (source is Options options)
                (weight_decay, beta1, beta2) = (options.weight_decay, options.beta1, options.beta2);
        }
    }

    /// <summary>Parameters with options of their own.</summary>
    public sealed partial class ParamGroup : ParamGroup<Options>, optim.ILearningRateController
    {
        /// <summary>Makes a group; options that are not given come from the optimizer.</summary>
        /// <param name="parameters">Each parameter belongs to one group only.</param>
        /// <param name="lr">Learning rate η.</param>
        /// <param name="weight_decay">Decoupled weight decay λ.</param>
        /// <param name="method">By which matrices of the group are updated, such as <c>new GaLore { Rank = 32 }</c>: all of them are projected. Null for the
        /// optimizer's own method, by its rule of what it is not for. What the optimizer's session knows already keeps the rule that it has there.</param>
        /// <exception cref="ArgumentOutOfRangeException">A negative or non-finite number.</exception>
        public ParamGroup(IEnumerable<Parameter> parameters, double? lr = null, double? weight_decay = null, ILowRankStrategy? method = null)
            : base(parameters ?? throw new ArgumentNullException(nameof(parameters)), new Options { LearningRate = lr, weight_decay = weight_decay })
        {
            Options.Require();
            Method = method;
        }

        /// <summary>Makes a group of parameters with names, which checkpoints and messages then use.</summary>
        /// <inheritdoc cref="ParamGroup(IEnumerable{Parameter}, double?, double?, ILowRankStrategy?)"/>
        public ParamGroup(
            IEnumerable<(string name, Parameter parameter)> named_parameters, double? lr = null, double? weight_decay = null, ILowRankStrategy? method = null)
            : this([.. (named_parameters = [.. named_parameters ?? throw new ArgumentNullException(nameof(named_parameters))]).Select(pair => pair.parameter)],
                lr, weight_decay, method) =>
            Names = named_parameters.Where(pair => pair.parameter is { IsInvalid: false }).DistinctBy(pair => ParameterIdentity.Of(pair.parameter))
                .ToDictionary(pair => ParameterIdentity.Of(pair.parameter), pair => pair.name);

        internal ILowRankStrategy? Method { get; }

        internal IReadOnlyDictionary<ParameterIdentity, string> Names { get; } = new Dictionary<ParameterIdentity, string>();
    }
}
