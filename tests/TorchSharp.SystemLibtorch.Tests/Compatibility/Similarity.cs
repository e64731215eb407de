namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>Finds the texts that a mistaken one was probably meant to be.</summary>
internal static class Similarity
{
    public static IEnumerable<string> Nearest(string text, IEnumerable<string> candidates, int limit) =>
        candidates.Distinct().OrderBy(candidate => SameName(text, candidate) ? 0 : 1).ThenBy(candidate => Distance(text, candidate)).Take(limit);

    private static bool SameName(string a, string b) => Name(a) == Name(b);

    private static string Name(string signature)
    {
        var end = signature.IndexOf('(', StringComparison.Ordinal);
        var head = end < 0 ? signature : signature[..end];
        return head[(head.LastIndexOf(' ') + 1)..];
    }

    /// <summary>Levenshtein's distance, with one row kept.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitute, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[^1];
    }
}
