using LanguageModel.CommandLine;

namespace LanguageModel.Model;

/// <summary>The configurations known by name.</summary>
public static class LlamaConfigs
{
    /// <value>Every configuration, smallest first.</value>
    public static IReadOnlyList<LlamaConfig> All { get; } =
    [
        Config("tiny", hidden: 64, intermediate: 176, layers: 2, heads: 2),
        Config("9m", hidden: 128, intermediate: 352, layers: 4, heads: 4),
        Config("20m", hidden: 256, intermediate: 688, layers: 4, heads: 4),
        Config("35m", hidden: 384, intermediate: 1024, layers: 6, heads: 8),
        Config("40m", hidden: 416, intermediate: 1024, layers: 8, heads: 8),
        Config("60m", hidden: 512, intermediate: 1376, layers: 8, heads: 8),
        Config("71m", hidden: 512, intermediate: 1368, layers: 12, heads: 8),
        Config("100m", hidden: 640, intermediate: 1708, layers: 12, heads: 10),
        Config("130m", hidden: 768, intermediate: 2048, layers: 12, heads: 12),
        Config("250m", hidden: 768, intermediate: 2560, layers: 24, heads: 16),
        Config("350m", hidden: 1024, intermediate: 2736, layers: 24, heads: 16),
        Config("1b", hidden: 2048, intermediate: 5461, layers: 24, heads: 32),
        Config("3b", hidden: 2560, intermediate: 6848, layers: 32, heads: 32),
        Config("7b", hidden: 4096, intermediate: 11008, layers: 32, heads: 32),
    ];

    /// <summary>The configuration named <paramref name="name"/>, in any case.</summary>
    /// <exception cref="UserException">No configuration has that name; the message lists those that exist.</exception>
    public static LlamaConfig Find(string name) =>
        All.FirstOrDefault(config => config.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new UserException(
            $"There is no model '{name}'.{Nearest.DidYouMean(name, All.Select(config => config.Name))} "
            + $"Choose one of: {string.Join(", ", All.Select(config => config.Name))}.");

    private static LlamaConfig Config(string name, int hidden, int intermediate, int layers, int heads) =>
        new() { Name = name, Hidden = hidden, Intermediate = intermediate, Layers = layers, Heads = heads };
}
