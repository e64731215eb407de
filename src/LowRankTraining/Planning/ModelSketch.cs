namespace LowRankTraining;

/// <summary>A model that cannot run: the modules by which methods go, under the names that they have, for looking at what a method would make of it.</summary>
/// <remarks>Linear layers and embeddings are such; everything else is a parameter. Every layer can be replaced.</remarks>
internal static class ModelSketch
{
    /// <summary>A copy of a model, its values included: some methods go by them.</summary>
    public static nn.Module Of(nn.Module model)
    {
        using var guard = no_grad();
        var sketch = new Node("model");
        var modules = ParameterPlace.ModulesOf(model).DistinctBy(pair => pair.Path).ToDictionary(pair => pair.Path, pair => pair.Module);
        var done = new HashSet<string>();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var (path, local) = ParameterPlace.Split(name);
            if (local == "weight" && LinearOf(modules.GetValueOrDefault(path)) is { } linear)
            {
                sketch.Put(path, linear);
                done.Add(path);
            }
            else if (ParameterPlace.LooksUpRows(modules.GetValueOrDefault(path)) && local == "weight")
                sketch.Put(path, nn.Embedding(parameter.shape[0], parameter.shape[1], device: parameter.device, dtype: parameter.dtype));
            else if (!done.Contains(path))
                sketch.Put(name, new Parameter(parameter.detach().clone(), parameter.requires_grad));
        }

        foreach (var (name, parameter) in model.named_parameters())
            if (sketch.get_parameter(name) is { } copy)
                copy.requires_grad = parameter.requires_grad;
        return sketch;
    }

    /// <summary>A model of names and shapes. What is called "weight" and has two dimensions is of a linear layer, unless "embed" is in its name.</summary>
    public static nn.Module Of(IReadOnlyList<(string Name, long[] Shape)> parameters, ScalarType dtype, Device device)
    {
        var sketch = new Node("model");
        var names = parameters.Select(parameter => parameter.Name).ToHashSet();
        foreach (var (name, shape) in parameters)
        {
            var (path, local) = ParameterPlace.Split(name);
            if (local == "weight" && shape.Length == 2 && path.Length > 0)
                sketch.Put(path, name.Contains("embed", StringComparison.Ordinal)
                    ? nn.Embedding(shape[0], shape[1], device: device, dtype: dtype)
                    : nn.Linear(shape[1], shape[0], names.Contains($"{path}.bias"), device, dtype));
            else if (local != "bias" || sketch.get_parameter(name) is null)
                sketch.Put(name, new Parameter(zeros(shape, dtype, device)));
        }

        return sketch;
    }

    /// <summary>A plain layer of the same weight; null for what is no linear layer.</summary>
    private static Linear? LinearOf(nn.Module? module)
    {
        return module switch
        {
            Linear linear => Of(linear.weight, linear.bias),
            ReparameterizedLinear layer and IWeightStore => Of(layer.EffectiveWeight(), layer.bias),
            _ => null,
        };

        static Linear Of(Tensor weight, Parameter? bias)
        {
            var copy = nn.Linear(weight.shape[1], weight.shape[0], bias is not null, weight.device, weight.dtype);
            copy.weight.copy_(weight);
            return copy;
        }
    }

    private sealed class Node(string name) : nn.Module(name)
    {
        private readonly Dictionary<string, nn.Module> _children = [];

        public void Put(string path, nn.Module module)
        {
            var (above, local) = ParameterPlace.Split(path);
            var parent = At(above);
            parent._children[local] = module;
            parent.register_module(local, module);
        }

        public void Put(string path, Parameter parameter)
        {
            var (above, local) = ParameterPlace.Split(path);
            At(above).register_parameter(local, parameter);
        }

        private Node At(string path) => path.Split('.', StringSplitOptions.RemoveEmptyEntries).Aggregate(this, (node, local) =>
        {
            if (!node._children.TryGetValue(local, out var child))
            {
                node._children[local] = child = new Node(local);
                node.register_module(local, child);
            }

            return child as Node
                ?? throw new ArgumentException($"'{path}' is a layer and has others under it: give the layer the only parameters of its name.");
        });
    }
}
