using System.Text.RegularExpressions;

namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>Finds the C# blocks of a page and the comments that say how to treat them. CONTRIBUTING.md has the words.</summary>
internal static partial class SnippetPage
{
    public static IReadOnlyList<Snippet> Read(string page, string text)
    {
        var snippets = new List<Snippet>();
        var marks = new List<(int Line, string Word, string Code)>();
        var lines = text.ReplaceLineEndings("\n").Split('\n');
        for (var line = 0; line < lines.Length; line++)
        {
            if (Mark().Match(lines[line]) is { Success: true } mark)
                marks.Add((line + 1, mark.Groups["word"].Value, mark.Groups["code"].Value));
            else if (Fence().Match(lines[line]) is { Success: true } fence)
            {
                var end = Array.FindIndex(lines, line + 1, other => other.TrimStart().StartsWith("```", StringComparison.Ordinal));
                if (end < 0)
                    throw new FormatException($"{page}({line + 1}): the block does not end.");
                if (fence.Groups["language"].Value is "csharp" or "cs" or "c#" or "C#")
                    snippets.Add(Make(page, line + 2, string.Join('\n', lines[(line + 1)..end]), marks, snippets.LastOrDefault()));
                else
                    RequireNone(page, marks);
                marks.Clear();
                line = end;
            }
            else if (!string.IsNullOrWhiteSpace(lines[line]))
                RequireNone(page, marks);
        }
        RequireNone(page, marks);
        return snippets;
    }

    private static Snippet Make(string page, int line, string code, List<(int Line, string Word, string Code)> marks, Snippet? last)
    {
        var (runs, before, limit) = (true, default(Snippet), default(int?));
        foreach (var mark in marks)
        {
            switch (mark.Word)
            {
                case "compile":
                    runs = false;
                    break;
                case "continues":
                    before = last ?? throw new FormatException($"{page}({mark.Line}): there is no block before this one.");
                    break;
                case "given":
                    break;
                case "program" when int.TryParse(mark.Code, out var lines):
                    (runs, limit) = (false, lines);
                    break;
                default:
                    throw new FormatException($"{page}({mark.Line}): '{mark.Word}' must be 'compile', 'continues', 'given CODE' or 'program LINES'.");
            }
        }
        var given = marks.Where(mark => mark.Word == "given").Select(mark => (mark.Line, mark.Code));
        return new(page, line, code, [.. given], runs && before?.Runs != false, before, limit);
    }

    private static void RequireNone(string page, List<(int Line, string Word, string Code)> marks)
    {
        if (marks.Count > 0)
            throw new FormatException($"{page}({marks[0].Line}): no C# block follows this comment.");
    }

    [GeneratedRegex(@"^\s*```(?<language>\S*)")]
    private static partial Regex Fence();

    [GeneratedRegex(@"^\s*<!--\s*snippet:\s*(?<word>\S*)\s*(?<code>.*?)\s*-->\s*$")]
    private static partial Regex Mark();
}
