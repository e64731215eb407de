using LowRankTraining.Layers;

namespace LanguageModel.Methods;

/// <summary>Formats of frozen weights, as the command line names them.</summary>
public static class Bases
{
    private static readonly Dictionary<string, BaseFormat> ByName = new(StringComparer.OrdinalIgnoreCase)
    {
        ["dense"] = BaseFormat.Dense,
        ["nf4"] = BaseFormat.NF4,
        ["8bit"] = BaseFormat.Blockwise8Bit,
    };

    /// <value>What there is to choose from.</value>
    public static string Names { get; } = string.Join(", ", ByName.Keys);

    /// <summary>The format named <paramref name="name"/>.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public static BaseFormat Find(string name) =>
        ByName.TryGetValue(name, out var format) ? format : throw new UserException($"--base must be one of {Names} (is {name}).");
}
