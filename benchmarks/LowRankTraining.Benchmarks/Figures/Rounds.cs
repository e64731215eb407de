using System.Diagnostics;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Times taken in rounds: every round runs all candidates one after the other (A B C, A B C, ...), so that whatever else the machine does weighs on
/// all alike.</summary>
internal sealed class Rounds
{
    private readonly Dictionary<string, List<double>> _milliseconds = [];

    private Rounds() { }

    /// <summary>Runs <paramref name="round"/> again and again; what the first <paramref name="warmUps"/> rounds take does not count.</summary>
    public static Rounds Run(int count, int warmUps, Action<Rounds> round)
    {
        var rounds = new Rounds();
        for (var warmUp = 0; warmUp < warmUps; warmUp++)
            round(rounds);

        rounds._milliseconds.Clear();
        for (var number = 0; number < count; number++)
            round(rounds);
        return rounds;
    }

    /// <summary>Runs a candidate and takes its time.</summary>
    public void Time(string candidate, Action run)
    {
        var start = Stopwatch.GetTimestamp();
        run();
        Add(candidate, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    /// <summary>Adds a time that the candidate has taken itself.</summary>
    public void Add(string candidate, double milliseconds)
    {
        if (!_milliseconds.TryGetValue(candidate, out var times))
            _milliseconds[candidate] = times = [];
        times.Add(milliseconds);
    }

    /// <summary>Median time of a candidate, in milliseconds.</summary>
    public double Median(string candidate) => Statistics.Median(_milliseconds[candidate]);

    /// <summary>Median over the rounds of the ratio of two times of the same round.</summary>
    public double Ratio(string candidate, string against) =>
        Statistics.Median(_milliseconds[candidate].Zip(_milliseconds[against], (time, other) => time / other));
}
