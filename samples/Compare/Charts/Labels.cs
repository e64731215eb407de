namespace Compare.Charts;

/// <summary>Keeps labels that would overlap apart.</summary>
internal static class Labels
{
    /// <summary>Heights near <paramref name="wanted"/>, in the same order, at least <paramref name="gap"/> apart and at most
    /// <paramref name="lowest"/>.</summary>
    public static double[] Spread(IReadOnlyList<double> wanted, double gap, double lowest)
    {
        var order = Enumerable.Range(0, wanted.Count).OrderBy(place => wanted[place]).ToArray();
        var heights = wanted.ToArray();
        for (var next = 1; next < order.Length; next++)
            heights[order[next]] = Math.Max(heights[order[next]], heights[order[next - 1]] + gap);

        var limit = lowest;
        foreach (var place in order.Reverse())
        {
            heights[place] = Math.Min(heights[place], limit);
            limit = heights[place] - gap;
        }

        return heights;
    }
}
