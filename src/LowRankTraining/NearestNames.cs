namespace LowRankTraining;

/// <summary>What somebody may have meant.</summary>
internal static class NearestNames
{
    private const int Most = 3;

    /// <summary>The names that take the fewest changes to reach, the nearest first.</summary>
    public static IReadOnlyList<string> Of(string name, IEnumerable<string> candidates) =>
        [.. candidates.Distinct().OrderBy(candidate => Distance(name.ToLowerInvariant(), candidate.ToLowerInvariant())).Take(Most)];

    /// <summary>The same as the end of a sentence: "The nearest names are A, B, C."</summary>
    public static string Sentence(string name, IEnumerable<string> candidates) => Of(name, candidates) switch
    {
        [] => "There are none.",
        [var only] => $"The only one is {only}.",
        var nearest => $"The nearest names are {string.Join(", ", nearest)}.",
    };

    /// <summary>The same for what is a part of no name: among as many words in a row, from dot to dot, as it has itself.</summary>
    public static string SentenceForPart(string part, IEnumerable<string> names) =>
        Sentence(part, names.SelectMany(name => Runs(name.Split('.'), part.Split('.').Length)));

    private static IEnumerable<string> Runs(string[] words, int length) =>
        Enumerable.Range(0, Math.Max(1, words.Length - length + 1)).Select(first => string.Join('.', words.Skip(first).Take(length)));

    /// <summary>How many letters have to be inserted, left out or replaced to make one name the other (Levenshtein).</summary>
    private static int Distance(string from, string to)
    {
        var row = Enumerable.Range(0, to.Length + 1).ToArray();
        for (var i = 1; i <= from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[^1];
    }
}

/// <summary>Names in a sentence.</summary>
internal static class Listing
{
    /// <summary>The first few of them, and a sign that there are more.</summary>
    public static string Few(this IEnumerable<string> names, int most, string separator = ", ")
    {
        string[] first = [.. names.Take(most + 1)];
        return $"{string.Join(separator, first.Take(most))}{(first.Length > most ? $"{separator}..." : "")}";
    }
}
