using System.Text;

namespace LowRankTraining.Benchmarks.Tables;

/// <summary>A table of a page.</summary>
/// <param name="heads">What stands in the first line.</param>
/// <param name="areNumbers">Whether the columns after the first are flush right, as numbers are.</param>
internal sealed class MarkdownTable(string[] heads, bool areNumbers = false)
{
    /// <summary>The table with a row for each of <paramref name="items"/>.</summary>
    public string Of<T>(IEnumerable<T> items, Func<T, string[]> cells)
    {
        var text = new StringBuilder(Line(heads));
        text.Append("|---|").Insert(text.Length, areNumbers ? "--:|" : "---|", heads.Length - 1).Append('\n');
        return text.AppendJoin("", items.Select(item => Line(cells(item)))).ToString();
    }

    private static string Line(string[] cells) => $"| {string.Join(" | ", cells)} |\n";
}
