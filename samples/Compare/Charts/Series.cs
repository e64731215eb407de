namespace Compare.Charts;

/// <summary>What one method contributes to a chart.</summary>
/// <param name="Name">What it is called in the legend.</param>
/// <param name="Color">Index into the page's colors.</param>
/// <param name="Points">Values, from left to right.</param>
internal sealed record Series(string Name, int Color, IReadOnlyList<(double X, double Y)> Points)
{
    /// <summary>The same series with every value the mean of those at most <paramref name="reach"/> places away.</summary>
    public Series Smoothed(int reach) =>
        this with { Points = [.. Enumerable.Range(0, Points.Count).Select(place => (Points[place].X, MeanAround(place, reach)))] };

    private double MeanAround(int place, int reach)
    {
        var (first, last) = (Math.Max(0, place - reach), Math.Min(Points.Count - 1, place + reach));
        return Enumerable.Range(first, last - first + 1).Average(other => Points[other].Y);
    }
}
