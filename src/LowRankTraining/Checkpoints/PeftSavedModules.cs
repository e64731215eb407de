namespace LowRankTraining.Checkpoints;

/// <summary>Whole modules that an adapter brings beside its factors, such as a head: PEFT's <c>modules_to_save</c>.</summary>
internal static class PeftSavedModules
{
    /// <summary>What PEFT calls the layer that an adapted one is put around.</summary>
    private const string Plain = ".base_layer.";

    /// <summary>What is trained beside the factors, whole modules of it; and the biases of adapted layers, whose module is none of those.</summary>
    /// <remarks>PEFT takes every module for a saved one whose name ends with that of a saved one, "in_norm" for "norm" too, and looks for its
    /// tensors.</remarks>
    public static (IReadOnlyList<(string Name, Tensor Tensor)> Tensors, IReadOnlyList<string> Modules) Of(AdapterSession session)
    {
        var trained = session.TrainedBeside.Select(plan => plan.Name).ToArray();
        var adapted = session.Layers.Select(layer => NamePattern.ModuleOf(layer.Name)).ToHashSet(StringComparer.Ordinal);
        var modules = trained.Select(ParentOf).Where(module => module.Length > 0 && !adapted.Contains(module)).Distinct().ToArray();
        var saved = session.ParameterNames.Where(name => !adapted.Contains(ParentOf(name))
            && Array.Exists(modules, module => ParentOf(name).EndsWith(module, StringComparison.Ordinal)));
        return ([.. trained.Concat(saved).Distinct().Select(name => (NameOf(name), session.ParameterAt(name)!.detach()))], modules);

        string NameOf(string name) => ParentOf(name) is var parent && adapted.Contains(parent)
            ? $"{PeftAdapter.Root}{parent}{Plain}{name[(parent.Length + 1)..]}"
            : PeftAdapter.Root + name;
    }

    /// <summary>The tensors of an adapter's file that belong to such modules, each with the parameter that it is for; null where the model has none.</summary>
    public static IReadOnlyDictionary<string, Parameter?> In(SafeTensorsFile file, PeftConfig config, AdapterSession session) =>
        file.Names.Where(name => config.ModulesToSave.Any(module => Belongs(name, module)) || (file.Manifest is not null && IsOfModel(name)))
            .ToDictionary(
                name => name,
                name => session.ParameterAt(name[PeftAdapter.Root.Length..].Replace(Plain, ".", StringComparison.Ordinal)));

    /// <summary>Everything in which they differ from what the model has.</summary>
    public static IEnumerable<string> ProblemsOf(SafeTensorsFile file, IReadOnlyDictionary<string, Parameter?> modules)
    {
        foreach (var (name, parameter) in modules)
            if (parameter is null)
                yield return $"it has '{name}', and the model has no such parameter";
            else if (!file.ShapeOf(name).SequenceEqual(parameter.shape))
                yield return $"'{name}' is [{string.Join(", ", file.ShapeOf(name))}], and the model's is [{string.Join(", ", parameter.shape)}]";
            else if (!PeftLayer.IsFloatingPoint(file.TypeOf(name)))
                yield return $"'{name}' is of dtype {file.TypeOf(name)}";
    }

    private static string ParentOf(string name) => name[..Math.Max(0, name.LastIndexOf('.'))];

    private static bool IsOfModel(string name) =>
        name.StartsWith(PeftAdapter.Root, StringComparison.Ordinal) && !name.Contains(".lora_", StringComparison.Ordinal);

    private static bool Belongs(string name, string module) =>
        IsOfModel(name) && $".{name[PeftAdapter.Root.Length..]}".Contains($".{module}.", StringComparison.Ordinal);
}
