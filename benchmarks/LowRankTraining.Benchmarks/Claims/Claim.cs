using System.Globalization;
using System.Text.RegularExpressions;

namespace LowRankTraining.Benchmarks.Claims;

/// <summary>A number on a page that a measurement stands behind: a line that ends with <c>&lt;!-- figure: NAME --&gt;</c>, or with another
/// <see cref="ClaimKind"/> and the name of a run.</summary>
/// <param name="Place">File and line.</param>
/// <param name="Kind">Which results it is from.</param>
/// <param name="Name">Which of them.</param>
/// <param name="Text">The line without its marks.</param>
internal sealed partial record Claim(string Place, ClaimKind Kind, string Name, string Text)
{
    private static readonly double[] Plain = [1];

    /// <summary>The claims of a page.</summary>
    public static IEnumerable<Claim> In(string name, string page) =>
        from line in page.Split('\n').Index()
        from Match mark in Mark().Matches(line.Item)
        select new Claim($"{name}:{line.Index + 1}", Enum.Parse<ClaimKind>(mark.Groups["kind"].Value, ignoreCase: true), mark.Groups["name"].Value,
            Mark().Replace(line.Item, "").Trim());

    /// <summary>Whether one of the numbers on the line is <paramref name="value"/>, rounded to as many digits as are shown.</summary>
    public bool Says(double value) => Number().Matches(Text).Any(number => Says(number, value));

    private static bool Says(Match number, double value)
    {
        var digits = number.Groups["number"].Value.Replace(",", "");
        var decimals = digits.Contains('.') ? digits.Length - digits.IndexOf('.') - 1 : 0;
        return FactorsOf(number.Groups["unit"].Value).Any(factor => (value * factor).ToString($"F{decimals}", CultureInfo.InvariantCulture) == digits);
    }

    /// <summary>From the unit of a measurement, which is 1, bytes, seconds or milliseconds, to that of the text.</summary>
    private static double[] FactorsOf(string unit) => unit switch
    {
        "%" => [100],
        "GiB" => [1.0 / (1 << 30)],
        "MB" => [1e-6],
        _ => Plain,
    };

    [GeneratedRegex(@"<!-- (?<kind>figure|memory|perplexity|mean): (?<name>.+?) -->")]
    private static partial Regex Mark();

    [GeneratedRegex(@"(?<![\w.])(?<number>\d[\d,]*(\.\d+)?) ?(?<unit>%|GiB|MB)?")]
    private static partial Regex Number();
}

/// <summary>Where the number of a claim comes from.</summary>
internal enum ClaimKind
{
    /// <summary>A figure of <c>bench figures</c>.</summary>
    Figure,

    /// <summary>The peak of a run of <c>bench memory</c>.</summary>
    Memory,

    /// <summary>A run of the comparison of all methods: <c>fira, rate 0.01, 204800 tokens, seed 42</c>.</summary>
    Perplexity,

    /// <summary>The mean of such runs with seeds 42, 43 and 44: <c>fira, rate 0.01, 204800 tokens</c>.</summary>
    Mean,
}
