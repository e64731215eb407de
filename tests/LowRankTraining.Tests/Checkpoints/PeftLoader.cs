using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using LowRankTraining.Checkpoints;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>What PEFT makes of an adapter's folder, as far as names and shapes go: which parameters its model then has, and which tensors it finds for
/// them.</summary>
/// <remarks>As peft 0.19 does it (tuners_utils, save_and_load, other): a target is a module's name or the end of one from a dot on; ranks go by the first
/// pattern that matches; a saved module is any whose name ends with the given one, from a dot on or not, with all that hangs below it and its buffers, and
/// nothing in it is a target; a name in a file gets the adapter's name before its last part; a tensor of the model itself is loaded into the model.</remarks>
internal sealed class PeftLoader(string folder, IReadOnlyList<(string Module, string Parameter, long[] Shape)> model)
{
    private const string Root = "base_model.model.", Adapter = "default";

    private readonly JsonNode _config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!;

    /// <summary>What would go wrong, a line each; nothing where every tensor has its place and every place its tensor.</summary>
    public IReadOnlyList<string> Problems()
    {
        using var file = SafeTensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        var tensors = file.Names.ToDictionary(name => name, file.ShapeOf);
        List<string> problems = [];
        foreach (var (module, parameter, _) in model)
            if (SavedIn(module) is not { } saved)
                continue;
            else if (tensors.Remove(Name(module, parameter), out var shape))
                tensors.Add(Copy(saved, module, parameter), shape);
            else
                problems.Add($"KeyError: {Name(module, parameter)}");

        var found = tensors.ToDictionary(pair => WithAdapter(pair.Key), pair => pair.Value);
        var places = Places().ToDictionary(place => place.Name);
        problems.AddRange(found.Keys.Except(places.Keys).Select(name => $"unexpected: {name}"));
        problems.AddRange(places.Values.Where(place => place.IsOfAdapter && !found.ContainsKey(place.Name)).Select(place => $"missing: {place.Name}"));
        problems.AddRange(found.Where(pair => places.TryGetValue(pair.Key, out var place) && !place.Shape.SequenceEqual(pair.Value))
            .Select(pair => $"size mismatch: {pair.Key} is [{string.Join(", ", pair.Value)}] and should be [{string.Join(", ", places[pair.Key].Shape)}]"));
        return problems;
    }

    /// <summary>The parameters of the model when the adapter has been put into it, and which of them are the adapter's.</summary>
    private IEnumerable<(string Name, long[] Shape, bool IsOfAdapter)> Places()
    {
        foreach (var (module, parameter, shape) in model)
            if (SavedIn(module) is { } saved)
                yield return (Copy(saved, module, parameter), shape, true);
            else if (!IsTarget(module))
                yield return (Name(module, parameter), shape, false);
            else
            {
                yield return ($"{Root}{module}.base_layer.{parameter}", shape, false);
                if (parameter != "weight")
                    continue;
                var rank = RankOf(module);
                yield return ($"{Root}{module}.lora_A.{Adapter}.weight", [rank, shape[1]], true);
                yield return ($"{Root}{module}.lora_B.{Adapter}.weight", [shape[0], rank], true);
                if (_config["use_dora"]!.GetValue<bool>())
                    yield return ($"{Root}{module}.lora_magnitude_vector.{Adapter}.weight", [shape[0]], true);
            }
    }

    private bool IsTarget(string module) => Names("target_modules").Any(target => module == target || module.EndsWith($".{target}", StringComparison.Ordinal));

    /// <summary>The outermost module at or above this one that PEFT keeps a copy of, or null.</summary>
    private string? SavedIn(string module)
    {
        var parts = module.Split('.');
        return Enumerable.Range(1, parts.Length).Select(count => string.Join('.', parts[..count]))
            .FirstOrDefault(path => Names("modules_to_save").Any(saved => path.EndsWith(saved, StringComparison.Ordinal)));
    }

    private static string Name(string module, string parameter) => $"{Root}{(module.Length == 0 ? "" : $"{module}.")}{parameter}";

    private static string Copy(string saved, string module, string parameter) =>
        $"{Root}{saved}.modules_to_save.{Adapter}.{(module.Length == saved.Length ? "" : $"{module[(saved.Length + 1)..]}.")}{parameter}";

    private long RankOf(string module) => _config["rank_pattern"]!.AsObject()
        .FirstOrDefault(row => Regex.IsMatch(module, $@"^(.*\.)?({row.Key})$")).Value?.GetValue<long>() ?? _config["r"]!.GetValue<long>();

    private IEnumerable<string> Names(string field) => _config[field]?.AsArray().Select(name => name!.GetValue<string>()) ?? [];

    private static string WithAdapter(string name)
    {
        var at = name.LastIndexOf("lora_", StringComparison.Ordinal);
        if (at < 0)
            return name;
        var leaf = name[at..].Split('.');
        return leaf.Length > 2 ? name
            : leaf.Length == 2 ? $"{name[..at]}{leaf[0]}.{Adapter}.{leaf[1]}"
            : leaf[0] == "lora_magnitude_vector" ? $"{name}.{Adapter}.weight" : $"{name}.{Adapter}";
    }
}
