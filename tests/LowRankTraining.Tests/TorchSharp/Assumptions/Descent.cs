using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>A small optimizer on TorchSharp's base class, which writes down what that does with it.</summary>
internal sealed class Descent : OptimizerHelper
{
    public Descent(IEnumerable<Parameter> parameters, double lr = 0.5)
    {
        _defaults = new OptimizerOptions { LearningRate = lr, InitialLearningRate = lr };
        _parameter_groups = [];
        add_param_group(new Group(parameters));
    }

    /// <value>What happened, in order.</value>
    public List<string> Events { get; } = [];

    /// <value>Temporaries of the last step.</value>
    public List<Tensor> Temporaries { get; } = [];

    public override void add_param_group(ParamGroup param_group)
    {
        param_group.Options ??= _defaults;
        foreach (var parameter in param_group.Parameters)
            _state[parameter.Handle] = new State(this, parameter, _state.Count);
        base.add_param_group(param_group);
    }

    public override Tensor step(Func<Tensor>? closure = null) => _step<Group>(group =>
    {
        Events.Add($"gradients {(is_grad_enabled() ? "on" : "off")}");
        Temporaries.Clear();
        foreach (var parameter in group.Parameters)
        {
            Temporaries.Add(parameter.grad!.mul(-group.LearningRate));
            parameter.add_(Temporaries[^1]);
        }
    }, closure);

    /// <summary>Asks for groups of a type that this optimizer does not have.</summary>
    public void StepOtherGroups() => _step<AdamW.ParamGroup>(group => Events.Add(group is null ? "no group" : "a group"));

    internal sealed class Group(IEnumerable<Parameter> parameters) : ParamGroup<OptimizerOptions>(parameters);

    internal sealed class State(Descent owner, Parameter parameter, int index) : OptimizerState(parameter)
    {
        public override void Initialize(OptimizerOptions options) => owner.Events.Add($"initialize {index}");

        public override void SaveStateDict(BinaryWriter writer)
        {
            owner.Events.Add($"save {index}");
            writer.Write(index);
        }

        public override void LoadStateDict(BinaryReader reader) => owner.Events.Add($"load {index} from {reader.ReadInt32()}");

        public override void LoadStateDict(OptimizerState source) => owner.Events.Add($"copy {index}");
    }
}
