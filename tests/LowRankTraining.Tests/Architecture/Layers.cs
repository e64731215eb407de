namespace LowRankTraining.Tests.Architecture;

/// <summary>The order of the library's parts. A part may use those that stand under it here, and nothing else.</summary>
internal static class Layers
{
    private static readonly Dictionary<string, string[]> Below = new()
    {
        ["Numerics"] = [],
        ["Parallel"] = ["Numerics"],
        ["Core"] = ["Parallel"],
        ["Rules"] = ["Core"],
        ["Subspace"] = ["Rules"],
        ["Gradients"] = ["Core"],
        ["Contracts"] = ["Rules", "Gradients"],
        ["Text"] = ["Contracts"],
        ["Files"] = ["Text", "Diagnostics"],
        ["Optimizer"] = ["Files"],
        ["Schedules"] = ["Optimizer"],
        ["Diagnostics"] = ["Core"],
        ["Linear"] = ["Contracts", "Diagnostics", "Schedules"],
        ["Places"] = ["Linear"],
        ["Adapters"] = ["Places"],
        ["Factors"] = ["Adapters"],
        ["Quantized"] = ["Factors"],
        ["Factorized"] = ["Linear"],
        ["Strategies"] = ["Subspace", "Quantized", "Factorized"],
        ["Checkpoints"] = ["Strategies"],
        ["Planning"] = ["Strategies"],
        ["Mixing"] = ["Checkpoints"],
    };

    /// <summary>Files in the library's own folder that are not of the core, by their first name.</summary>
    private static readonly Dictionary<string, string> RootFiles = new()
    {
        ["Compatibility"] = "Numerics",
        ["ILowRankStrategy"] = "Contracts",
        ["ILowRankSession"] = "Contracts",
        ["ParameterPlan"] = "Contracts",
        ["ParameterOptions"] = "Contracts",
        ["LowRankStrategies"] = "Strategies",
    };

    /// <summary>Uses of what does not stand under a part that are still there, as part → type. To be cut: this list only gets shorter.</summary>
    public static readonly string[] BackEdges =
    [
    ];

    public static IEnumerable<string> All => Below.Keys;

    /// <summary>Null for a folder that has no place yet.</summary>
    public static string? Of(SourceType type)
    {
        var layer = type.Folder.Length > 0 ? type.Folder : RootFiles.GetValueOrDefault(type.File.Split('.')[0], "Core");
        return Below.ContainsKey(layer) ? layer : null;
    }

    /// <summary>All that a part may use, itself apart.</summary>
    /// <exception cref="InvalidOperationException">A part stands under itself.</exception>
    public static IReadOnlySet<string> Under(string layer)
    {
        var under = new HashSet<string>();
        Add(layer);
        return under;

        void Add(string above)
        {
            foreach (var below in Below[above])
            {
                if (below == layer)
                    throw new InvalidOperationException($"{layer} stands under itself, by way of {above}.");
                if (under.Add(below))
                    Add(below);
            }
        }
    }
}
