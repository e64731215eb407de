namespace LowRankTraining;

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
