using LowRankTraining.Quantized;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>A trainable parameter, where it stands in the model, and the module that it belongs to where that is known.</summary>
internal sealed record NamedParameter(string Name, Parameter Parameter, nn.Module? Module)
{
    /// <value>Whether it is the table of an embedding: rows that are looked up, not a matrix that is multiplied.</value>
    public bool IsEmbedding => Module is not null && IsTable(Module);

    public bool IsMatrix => Parameter.dim() >= 2;

    public bool Matches(string[] patterns) => patterns.Any(pattern => Name.Contains(pattern, StringComparison.Ordinal));

    /// <summary>The trainable parameters of a model, each once, in the model's order. A weight shared by several modules belongs to the embedding among them.</summary>
    /// <exception cref="ArgumentException">The model holds 8-bit weights: another session is at work on it.</exception>
    public static IReadOnlyList<NamedParameter> Of(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var owners = new Dictionary<IntPtr, nn.Module>();
        foreach (var module in model.named_modules().Select(pair => pair.module).Prepend(model))
        {
            if (module is Int8Linear)
                throw new ArgumentException("The model holds 8-bit weights already. Call Finish() on the session that put them there, then attach again. Nothing was changed.");
            foreach (var (_, parameter) in module.named_parameters(recurse: false))
                if (IsTable(module) || !owners.ContainsKey(parameter.Handle))
                    owners[parameter.Handle] = module;
        }

        return From(model.named_parameters(), owners);
    }

    private static bool IsTable(nn.Module module) => module is Embedding || module.GetName() == "EmbeddingBag";

    /// <summary>The trainable ones of a list, each once.</summary>
    public static IReadOnlyList<NamedParameter> From(IEnumerable<(string name, Parameter parameter)> parameters, IReadOnlyDictionary<IntPtr, nn.Module>? owners = null) =>
        [.. parameters.Where(pair => pair.parameter.requires_grad)
            .DistinctBy(pair => pair.parameter.Handle)
            .Select(pair => new NamedParameter(pair.name, pair.parameter, owners?.GetValueOrDefault(pair.parameter.Handle)))];

    /// <summary>Gives names to parameters that came without.</summary>
    public static IEnumerable<(string name, Parameter parameter)> Numbered(IEnumerable<Parameter> parameters) =>
        parameters.Select((parameter, index) => ($"parameters[{index}]", parameter));
}
