using System.Text;

namespace LowRankTraining.Benchmarks.Tables;

/// <summary>A table of a page.</summary>
/// <param name="heads">What stands in the first line; the first column is a name, and the others are flush right where they are numbers.</param>
/// <param name="areNumbers">Whether the columns after the first are numbers.</param>
internal sealed class MarkdownTable(string[] heads, bool areNumbers = false)
{
    private readonly StringBuilder text = new();

    /// <summary>The table with a row for each of <paramref name="items"/>.</summary>
    public string Of<T>(IEnumerable<T> items, Func<T, string[]> cells)
    {
        text.Clear();
        Append(heads);
        text.Append("|---|").Append(string.Concat(heads.Skip(1).Select(_ => areNumbers ? "--:|" : "---|"))).Append('\n');
        foreach (var item in items)
            Append(cells(item));
        return text.ToString();
    }

    private void Append(string[] cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
}
