using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining;

public sealed partial class LowRankOptimizer
{
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

        internal void FillFrom(Options defaults)
        {
            LearningRate ??= defaults.LearningRate;
            InitialLearningRate = LearningRate!.Value;
            weight_decay ??= defaults.weight_decay;
        }

        internal void Attach(LowRankOptimizer optimizer, ParamGroup group) => (_optimizer, _group) = (optimizer, group);

        internal Checkpoints.GroupManifest Manifest(int parameters) => new(parameters, LearningRate, InitialLearningRate, weight_decay);

        internal static Options Of(Checkpoints.GroupManifest saved) => new()
        {
            LearningRate = saved.LearningRate ?? throw new InvalidDataException("A group of parameters has no learning rate."),
            InitialLearningRate = saved.InitialLearningRate ?? 0,
            weight_decay = saved.WeightDecay,
        };

        /// <summary>Writes a safetensors file with the options of all groups and all states, for the first group; nothing for the others.</summary>
        public override void SaveStateDict(BinaryWriter writer)
        {
            _optimizer!.RequireLiveParameters();
            if (_optimizer.IsFirst(_group!))
                _optimizer.Save(writer.BaseStream);
        }

        /// <summary>Reads what <see cref="SaveStateDict"/> wrote, checks all of it, and takes it over.</summary>
        /// <exception cref="InvalidDataException">The state is damaged, or of another strategy, rank or shape. Nothing was changed.</exception>
        public override void LoadStateDict(BinaryReader reader)
        {
            _optimizer!.RequireLiveParameters();
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
            : base(parameters, new Options { LearningRate = lr, weight_decay = weight_decay })
        {
            Options.Require();
            Method = method;
        }

        /// <summary>Makes a group of parameters with names, which checkpoints and messages then use.</summary>
        /// <inheritdoc cref="ParamGroup(IEnumerable{Parameter}, double?, double?, ILowRankStrategy?)"/>
        public ParamGroup(
            IEnumerable<(string name, Parameter parameter)> named_parameters, double? lr = null, double? weight_decay = null, ILowRankStrategy? method = null)
            : this([.. (named_parameters = [.. named_parameters]).Select(pair => pair.parameter)], lr, weight_decay, method) =>
            Names = named_parameters.DistinctBy(pair => ParameterIdentity.Of(pair.parameter))
                .ToDictionary(pair => ParameterIdentity.Of(pair.parameter), pair => pair.name);

        internal ILowRankStrategy? Method { get; }

        internal IReadOnlyDictionary<ParameterIdentity, string> Names { get; } = new Dictionary<ParameterIdentity, string>();
    }
}
