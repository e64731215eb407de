using LowRankTraining.Layers;
using TorchSharp.Modules;

namespace LowRankTraining.Checkpoints;

/// <summary>Whole modules that an adapter brings beside its factors, such as a head: PEFT's <c>modules_to_save</c>.</summary>
internal static class PeftSavedModules
{
    /// <summary>The tensors of an adapter's file that belong to such modules, each with the parameter that it is for; null where the model has none.</summary>
    public static IReadOnlyDictionary<string, Parameter?> In(SafeTensorsFile file, PeftConfig config, AdapterSession session) =>
        file.Names.Where(name => config.ModulesToSave.Any(module => Belongs(name, module)))
            .ToDictionary(name => name, name => session.ParameterAt(name[PeftAdapter.Root.Length..]));

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

    private static bool Belongs(string name, string module) =>
        name.StartsWith(PeftAdapter.Root, StringComparison.Ordinal) && !name.Contains(".lora_", StringComparison.Ordinal)
        && $".{name[PeftAdapter.Root.Length..]}".Contains($".{module}.", StringComparison.Ordinal);
}
