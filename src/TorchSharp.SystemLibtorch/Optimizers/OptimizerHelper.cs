using TorchSharp.Utils;

namespace TorchSharp.Modules;

/// <summary>The base of optimizers written in managed code: parameter groups, options, state by native handle, saving and loading.</summary>
public abstract class OptimizerHelper : torch.optim.Optimizer
{
    protected OptimizerOptions _defaults = new();

    protected OrderedDict<IntPtr, OptimizerState> _state = new();

    public OptimizerHelper()
    {
    }

    protected enum TypeCode
    {
        Double = 0,
        Long = 1,
        Tensor = 2,
        Options = 3,
        State = 4,
    }

    public override IEnumerable<Parameter> parameters() => _parameter_groups.SelectMany(group => group.Parameters);

    public override void add_param_group(ParamGroup param_group) => _parameter_groups.Add(param_group);

    public override void zero_grad()
    {
        foreach (var parameter in parameters())
        {
            using var gradient = parameter.grad;
            gradient?.zero_();
        }
    }

    /// <summary>Moves the state of every parameter.</summary>
    public void to(torch.Device device)
    {
        foreach (var parameter in parameters())
        {
            _state[parameter.Handle].to(device);
        }
    }

    public virtual StateDictionary state_dict()
    {
        var dictionary = new StateDictionary();
        foreach (var group in _parameter_groups)
        {
            dictionary.Options.Add(group.Options);
            var indices = new List<int>();
            foreach (var parameter in group.Parameters)
            {
                indices.Add(dictionary.State.Count);
                dictionary.State.Add(_state[parameter.Handle]);
            }

            dictionary.StateIndexRef.Add(indices);
        }

        return dictionary;
    }

    public virtual void load_state_dict(StateDictionary state_dict)
    {
        var own = this.state_dict();
        RequireSameCounts(own, state_dict.Options.Count, state_dict.State.Count);
        foreach (var (target, source) in own.Options.Zip(state_dict.Options).Where(pair => !ReferenceEquals(pair.First, pair.Second)))
        {
            target.LoadStateDict(source);
        }

        foreach (var (target, source) in own.State.Zip(state_dict.State).Where(pair => !ReferenceEquals(pair.First, pair.Second)))
        {
            target.LoadStateDict(source);
        }
    }

    public void save_state_dict(string location)
    {
        using var writer = new BinaryWriter(File.Create(location));
        save_state_dict(writer);
    }

    public void save_state_dict(BinaryWriter writer)
    {
        var dictionary = state_dict();
        writer.Write(GetType().Name);
        writer.Encode(dictionary.Options.Count);
        writer.Encode(dictionary.State.Count);
        foreach (var options in dictionary.Options)
        {
            options.SaveStateDict(writer);
        }

        foreach (var state in dictionary.State)
        {
            state.SaveStateDict(writer);
        }
    }

    public void load_state_dict(string location)
    {
        using var reader = new BinaryReader(File.OpenRead(location));
        load_state_dict(reader);
    }

    public void load_state_dict(BinaryReader reader)
    {
        var optimizer = reader.ReadString();
        if (optimizer != GetType().Name)
        {
            throw new InvalidDataException($"Mismatched optimizer type: expected '{GetType().Name}', but found '{optimizer}' in the loaded stream.");
        }

        var own = state_dict();
        RequireSameCounts(own, reader.Decode(), reader.Decode());
        foreach (var options in own.Options)
        {
            options.LoadStateDict(reader);
        }

        foreach (var state in own.State)
        {
            state.LoadStateDict(reader);
        }
    }

    /// <summary>Runs the body for every group without gradients; what it allocates lives until the whole step is done.</summary>
    protected torch.Tensor? _step<T>(Action<T> body, Func<torch.Tensor>? loss_closure = null)
        where T : ParamGroup
    {
        torch.Tensor? loss = null;
        if (loss_closure is not null)
        {
            using var recording = torch.enable_grad();
            loss = loss_closure();
        }

        using var guard = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        foreach (var group in _parameter_groups)
        {
            body((group as T)!);
        }

        return loss;
    }

    private static void RequireSameCounts(StateDictionary own, long groups, long states)
    {
        if (groups != own.Options.Count)
        {
            throw new ArgumentException("Invalid optimizer state -- different number of parameter groups.");
        }

        if (states != own.State.Count)
        {
            throw new ArgumentException("Invalid optimizer state -- different number of states.");
        }
    }
}
