using LanguageModel.CommandLine;

namespace Compare.Charts;

/// <summary>A direction of a chart: a range of values, round numbers in it to name, and a title with the unit.</summary>
internal sealed record Axis
{
    private static readonly double[] RoundSteps = [1, 2, 5, 10];
    private static readonly double[] FineSteps = [1, 1.5, 2, 3, 4, 5, 6, 8];

    private Axis(string title, double low, double high, bool isLogarithmic)
    {
        (Title, Low, High, IsLogarithmic) = (title, low, high, isLogarithmic);
        Ticks = !isLogarithmic || high / low < 2 ? RoundNumbers(low, high, count: 6) : Multiples(high / low > 15 ? RoundSteps[..3] : FineSteps, low, high);
    }

    /// <value>What is measured, with its unit.</value>
    public string Title { get; }

    /// <value>Value at the beginning.</value>
    public double Low { get; }

    /// <value>Value at the end.</value>
    public double High { get; }

    /// <value>Whether equal ratios, rather than equal differences, are equally far apart.</value>
    public bool IsLogarithmic { get; }

    /// <value>The round numbers in the range.</value>
    public IReadOnlyList<double> Ticks { get; }

    /// <summary>An axis on which equal differences are equally far apart.</summary>
    public static Axis Linear(string title, double low, double high) => new(title, low, high > low ? high : low + 1, isLogarithmic: false);

    /// <summary>An axis on which equal ratios are equally far apart; both ends above 0.</summary>
    public static Axis Logarithmic(string title, double low, double high) => new(title, low, high > low ? high : low * 2, isLogarithmic: true);

    /// <summary>How far along <paramref name="value"/> is: 0 at the beginning, 1 at the end, beyond them outside.</summary>
    public double Place(double value) => IsLogarithmic
        ? Math.Log(value / Low) / Math.Log(High / Low)
        : (value - Low) / (High - Low);

    /// <summary>How <paramref name="tick"/> is written: a thousand as 1k, a million as 1M, and no more digits than needed.</summary>
    public static string Label(double tick) => Math.Abs(tick) switch
    {
        >= 1e9 => Short(tick / 1e9) + "G",
        >= 1e6 => Short(tick / 1e6) + "M",
        >= 1e3 => Short(tick / 1e3) + "k",
        _ => Short(tick),
    };

    private static string Short(double value) => Describe.Fixed(value, 3) is var text && text.Contains('.') ? text.TrimEnd('0').TrimEnd('.') : text;

    private static List<double> RoundNumbers(double low, double high, int count)
    {
        var rough = (high - low) / count;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = RoundSteps.First(round => round * power >= 0.75 * rough) * power;
        return [.. Between((long)Math.Ceiling(low / step - 1e-9), (long)Math.Floor(high / step + 1e-9)).Select(multiple => multiple * step)];
    }

    private static List<double> Multiples(double[] steps, double low, double high)
    {
        var powers = Between((long)Math.Floor(Math.Log10(low)), (long)Math.Ceiling(Math.Log10(high)));
        return [.. powers.SelectMany(power => steps.Select(step => step * Math.Pow(10, power))).Where(tick => tick >= low && tick <= high)];
    }

    private static IEnumerable<long> Between(long first, long last)
    {
        for (var value = first; value <= last; value++)
            yield return value;
    }
}
