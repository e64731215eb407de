namespace Compare.Tuning;

/// <summary>Finds the learning rate at which a method does best, among those a power of two from the first.</summary>
/// <remarks>
/// At least four rates are tried, each twice the one below. As long as the best of them stands at an end, the next one beyond is tried too, so that the end
/// of a grid never passes for the best rate.
/// </remarks>
internal sealed class RateSearch(double start)
{
    private const int Least = 4, Most = 10;

    private readonly SortedDictionary<int, Trial> trials = [];

    /// <value>What was tried, the smallest rate first.</value>
    public IReadOnlyList<Trial> Trials => [.. trials.Values];

    /// <value>The rate with the lowest perplexity; null where no trial gave a number.</value>
    public double? Best =>
        trials.Values.Where(trial => trial.IsUsable).OrderBy(trial => trial.Perplexity).Select(trial => (double?)trial.LearningRate).FirstOrDefault();

    /// <summary>The rate to try next; null when the search is over.</summary>
    public double? Next() => NextExponent() is { } exponent ? RateAt(exponent) : null;

    /// <summary>Takes the outcome of the rate that <see cref="Next"/> has asked for.</summary>
    public void Add(double perplexity)
    {
        var exponent = NextExponent() ?? throw new InvalidOperationException("The search is over.");
        trials.Add(exponent, new(RateAt(exponent), perplexity));
    }

    private double RateAt(int exponent) => Math.ScaleB(start, exponent);

    private int? NextExponent()
    {
        if (trials.Count == 0)
            return 0;

        var (lowest, highest) = (trials.Keys.First(), trials.Keys.Last());
        if (trials.Count < 3)
            return trials.Count == 1 ? 1 : -1;
        if (trials.Count == Most)
            return null;

        var best = trials.MinBy(entry => entry.Value.IsUsable ? entry.Value.Perplexity : double.PositiveInfinity).Key;
        if (best == lowest)
            return lowest - 1;
        if (best == highest)
            return highest + 1;
        if (trials.Count >= Least)
            return null;
        return trials[best + 1].Perplexity < trials[best - 1].Perplexity ? highest + 1 : lowest - 1;
    }
}
