using System.Diagnostics;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Whether any step stalls when the refreshes are spread over the period.</summary>
/// <remarks>Every place in the period is visited several times and counts with its fastest visit, so that a step that the machine interrupted once is not
/// taken for a slow one.</remarks>
internal static class StaggerFigures
{
    private const int Rank = 128, Period = 20, Visits = 5;

    public static IEnumerable<Figure> Measure()
    {
        foreach (var basis in new[] { "warm-started", "randomized SVD" })
        {
            var fastest = FastestOfEachPlace(basis);
            yield return new($"slowest / median step, refreshes by {basis} staggered over {Period} steps", fastest.Max() / Statistics.Median(fastest), "times",
                Goal.AtMost(1.5));
        }
    }

    private static double[] FastestOfEachPlace(string basis)
    {
        using var matrices = Matrices.Of60M();
        using var optimizer = Methods.Make("GaLore", matrices, Rank, new Refreshing(Period, Methods.Basis(basis), Staggered: true));
        for (var step = 0; step < Period; step++)
            optimizer.step();

        var fastest = Enumerable.Repeat(double.PositiveInfinity, Period).ToArray();
        for (var step = 0; step < Visits * Period; step++)
        {
            var start = Stopwatch.GetTimestamp();
            optimizer.step();
            fastest[step % Period] = Math.Min(fastest[step % Period], Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return fastest;
    }
}
