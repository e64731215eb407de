using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>Parameters that are registered with a linear layer beside its own.</summary>
/// <remarks>A linear layer that is moved takes its weight and its bias along and nothing else, so these follow
/// the weight as soon as anybody asks for them.</remarks>
internal sealed class HookedParts(Linear layer)
{
    private readonly List<(string Name, Parameter Parameter)> _parts = [];
    private bool _registered;

    public Parameter this[string name]
    {
        get
        {
            Follow();
            return _parts.Find(part => part.Name == name).Parameter;
        }
    }

    public void Add(string name, Parameter parameter) => _parts.Add((name, parameter));

    public void Register()
    {
        foreach (var (name, parameter) in _parts)
            layer.register_parameter(name, parameter);
        _registered = true;
    }

    public void Remove()
    {
        foreach (var (name, _) in _parts)
            ParameterRegistry.Remove(layer, name);
        _registered = false;
    }

    /// <summary>Brings the parts to where the weight is, in its dtype.</summary>
    public void Follow()
    {
        var (first, weight) = (_parts[0].Parameter, layer.weight);
        if (first.IsInvalid || weight.IsInvalid || first.dtype == weight.dtype && first.IsBeside(weight))
            return;

        for (var index = 0; index < _parts.Count; index++)
        {
            var (name, parameter) = _parts[index];
            var moved = Moved(parameter, weight);
            _parts[index] = (name, moved);
            if (_registered)
                ParameterRegistry.Replace(layer, name, moved);
            parameter.Dispose();
        }
    }

    private static Parameter Moved(Parameter parameter, Parameter to)
    {
        using var guard = no_grad();
        var moved = new Parameter(parameter.to(to.dtype, to.device), parameter.requires_grad);
        moved.DetachFromDisposeScope();
        using var gradient = parameter.grad;
        if (gradient is null)
            return moved;

        using var movedGradient = gradient.to(to.dtype, to.device);
        moved.grad = movedGradient;
        return moved;
    }
}
