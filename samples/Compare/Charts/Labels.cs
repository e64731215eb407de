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

    /// <summary>Places at the same heights, in the same order, at least <paramref name="gap"/> apart: the first ones are as <paramref name="wanted"/>, and the
    /// others as near as there is room.</summary>
    public static (double X, double Y)[] Sideways(IReadOnlyList<(double X, double Y)> wanted, double gap)
    {
        var places = new List<(double X, double Y)>();
        foreach (var (x, y) in wanted)
            places.Add(Enumerable.Range(0, int.MaxValue).SelectMany(shift => new[] { x + shift, x - shift }).Select(near => (X: near, Y: y))
                .First(place => places.All(other => double.Hypot(place.X - other.X, place.Y - other.Y) >= gap)));
        return [.. places];
    }
}
