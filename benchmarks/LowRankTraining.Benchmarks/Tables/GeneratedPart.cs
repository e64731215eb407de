namespace LowRankTraining.Benchmarks.Tables;

/// <summary>A part of a page that is made from the committed results: what stands between <c>&lt;!-- table: NAME --&gt;</c> and the next
/// <c>&lt;!-- end of table --&gt;</c>.</summary>
/// <param name="Page">The file, from the folder of the repository.</param>
/// <param name="Name">Which of its parts; null for all of the file.</param>
/// <param name="Text">What is to stand there.</param>
internal sealed record GeneratedPart(string Page, string? Name, string Text)
{
    private const string End = "\n<!-- end of table -->";

    /// <summary>The page with this part as it is to be.</summary>
    /// <exception cref="InvalidDataException">The page has no such part.</exception>
    public string In(string page)
    {
        if (Name is null)
            return Text;

        var mark = $"<!-- table: {Name} -->\n";
        var place = page.IndexOf(mark, StringComparison.Ordinal);
        var end = place < 0 ? -1 : page.IndexOf(End, place, StringComparison.Ordinal);
        return end < 0
            ? throw new InvalidDataException($"{Page} has no part between '{mark.Trim()}' and '{End.Trim()}'.")
            : page[..(place + mark.Length)] + Text + page[end..];
    }
}
