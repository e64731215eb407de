namespace LanguageModel.Training;

/// <summary>Losses over the steps of a run.</summary>
public static class LossCurve
{
    /// <summary>At most <paramref name="most"/> points, each the mean of as many neighbors, at the last step of these.</summary>
    public static IReadOnlyList<LossPoint> Thinned(this IReadOnlyList<LossPoint> curve, int most)
    {
        var each = (curve.Count + most - 1) / most;
        return each <= 1 ? curve : [.. curve.Chunk(each).Select(points => new LossPoint(points[^1].Step, points.Average(point => point.Loss)))];
    }
}
