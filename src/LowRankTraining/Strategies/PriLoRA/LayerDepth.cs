namespace LowRankTraining.Strategies;

/// <summary>How deep in a model each matrix stands, by the names.</summary>
/// <remarks>A block is everything up to the first number in a name: <c>layers.3</c> of <c>layers.3.attn.q_proj.weight</c>. A name without a number is a block
/// with the other parameters of its module. Blocks are counted in the order in which they first appear.</remarks>
internal static class LayerDepth
{
    /// <summary>For each name how deep its block stands, from 0 for the first to 1 for the last; 1 where there is only one.</summary>
    public static IReadOnlyList<double> Of(IReadOnlyList<string> names)
    {
        var blocks = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var name in names)
            blocks.TryAdd(BlockOf(name), blocks.Count);
        return [.. names.Select(name => blocks.Count < 2 ? 1 : (double)blocks[BlockOf(name)] / (blocks.Count - 1))];
    }

    private static string BlockOf(string name)
    {
        var parts = name.Split('.');
        var number = Array.FindIndex(parts, part => part.Length > 0 && part.All(char.IsAsciiDigit));
        return string.Join('.', parts[..(number >= 0 ? number + 1 : parts.Length - 1)]);
    }
}
