namespace LowRankTraining.Checkpoints;

/// <summary>Whole modules that an adapter brings beside its factors, such as a head: PEFT's <c>modules_to_save</c>.</summary>
/// <param name="file">The adapter's tensors.</param>
/// <param name="session">The session that they are for.</param>
internal sealed class PeftSavedModules(SafeTensorsFile file, AdapterSession session)
{
    /// <summary>What PEFT calls the layer that an adapted one is put around.</summary>
    private const string Plain = ".base_layer.";

    private static readonly string[] Factors = ["lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", PeftAdapter.Magnitude];

    private readonly Func<string, Tensor?> _tensorAt = session.Tensors();
    private readonly Dictionary<string, (string Name, Tensor Parameter)> _found = [];

    /// <value>The parameters and buffers for which the file has tensors, with the names of these.</value>
    public IReadOnlyCollection<(string Name, Tensor Parameter)> Found => _found.Values;

    /// <summary>What is trained beside the factors, and the modules of it that PEFT can train on: whole ones, with all that hangs below them and with their
    /// buffers, in which nothing is adapted.</summary>
    /// <remarks>PEFT takes every module for a saved one whose name ends with that of a saved one, "in_norm" for "norm" too, looks for its tensors, and adapts
    /// nothing in it. What is not of such a module, as the bias of an adapted layer, it loads into the model as it is.</remarks>
    public static (IReadOnlyList<(string Name, Tensor Tensor)> Tensors, IReadOnlyList<string> Modules) Of(AdapterSession session)
    {
        var trained = session.TrainedBeside.Select(plan => plan.Name).ToArray();
        var adapted = session.Layers.Select(layer => NamePattern.ModuleOf(layer.Name)).ToHashSet(StringComparer.Ordinal);
        var modules = trained.Select(name => ParameterPlace.Split(name).Path).Distinct()
            .Where(module => module.Length > 0 && !adapted.Any(layer => IsWithin($"{layer}.", module))).ToArray();
        var saved = session.ParameterNames.Concat(session.Buffers).Where(name => Array.Exists(modules, module => IsWithin(name, module)));
        var tensorAt = session.Tensors();
        return ([.. trained.Concat(saved).Distinct().Select(name => (NameOf(name), tensorAt(name)!.detach()))], modules);

        string NameOf(string name) => ParameterPlace.Split(name) is var (parent, local) && adapted.Contains(parent)
            ? $"{PeftAdapter.Root}{parent}{Plain}{local}"
            : PeftAdapter.Root + name;
    }

    /// <summary>What is wrong with a tensor of the file that is no factor of the session; null where it is for a parameter or buffer of the model, which is
    /// then found. Such are tensors of saved modules, biases that were trained, or embeddings for more words: PEFT loads all of them into the
    /// model.</summary>
    public string? ProblemWith(string name)
    {
        if (!IsOfModel(name))
            return name.Contains("lora_embedding_", StringComparison.Ordinal)
                ? $"it has '{name}', a factor of an embedding, and embeddings are not adapted here"
                : $"it has '{name}', and the session has no such factor";
        var path = name[PeftAdapter.Root.Length..].Replace(Plain, ".", StringComparison.Ordinal);
        if (_tensorAt(path) is not { } parameter)
            return $"it has '{name}', and the model has no such parameter";
        if (!file.ShapeOf(name).SequenceEqual(parameter.shape))
            return $"'{name}' is [{string.Join(", ", file.ShapeOf(name))}], and the model's is [{string.Join(", ", parameter.shape)}]";
        if (parameter.dtype.IsTrainable() != file.TypeOf(name).IsTrainable())
            return $"'{name}' is of dtype {file.TypeOf(name)}";
        return _found.TryAdd(path, (name, parameter)) ? null : $"it has '{_found[path].Name}' and '{name}', which are for one parameter";
    }

    private static bool IsOfModel(string name) =>
        name.StartsWith(PeftAdapter.Root, StringComparison.Ordinal) && !name.Split('.')[^2..].Any(part => Factors.Contains(part));

    /// <summary>Whether a tensor hangs at or below a module that PEFT takes for the one with the given name.</summary>
    private static bool IsWithin(string name, string module)
    {
        for (var dot = name.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = name.IndexOf('.', dot + 1))
            if (name[..dot].EndsWith(module, StringComparison.Ordinal))
                return true;
        return false;
    }
}
