namespace LowRankTraining.Layers;

/// <summary>How deep in a model each matrix stands, by the names.</summary>
/// <remarks>A block is everything up to the first number in a name: <c>layers.3</c> of <c>layers.3.attn.q_proj.weight</c>. A name without a number is a block
/// with the other parameters of its module. Blocks are counted in the order in which they first appear.</remarks>
internal static class Depth
{
    /// <summary>The block of each name, from 0, and how many blocks there are.</summary>
    public static (IReadOnlyDictionary<string, int> BlockOf, int Count) Of(IEnumerable<string> names)
    {
        var blocks = new Dictionary<string, int>(StringComparer.Ordinal);
        var blockOf = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            var block = BlockOf(name);
            blocks.TryAdd(block, blocks.Count);
            blockOf[name] = blocks[block];
        }

        return (blockOf, blocks.Count);
    }

    private static string BlockOf(string name)
    {
        var parts = name.Split('.');
        var number = Array.FindIndex(parts, part => part.Length > 0 && part.All(char.IsAsciiDigit));
        return string.Join('.', parts[..(number >= 0 ? number + 1 : parts.Length - 1)]);
    }
}
