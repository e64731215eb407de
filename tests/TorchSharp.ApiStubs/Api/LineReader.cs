using System.Globalization;

namespace TorchSharp.ApiStubs.Api;

/// <summary>Reads one line of the list from left to right.</summary>
internal sealed class LineReader(string line)
{
    private int _at;

    public bool AtEnd => _at >= line.Length;

    public bool Accept(string text)
    {
        if (string.CompareOrdinal(line, _at, text, 0, text.Length) != 0) return false;
        _at += text.Length;
        return true;
    }

    /// <summary>Takes one of the words when it stands here in full.</summary>
    public string? AcceptWord(params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
        {
            var end = _at + word.Length;
            if (string.CompareOrdinal(line, _at, word, 0, word.Length) != 0 || (end < line.Length && IsNamePart(line[end]))) continue;
            _at = end;
            SkipSpaces();
            return word;
        }
        return null;
    }

    public void Expect(string text)
    {
        if (!Accept(text)) throw Unexpected($"'{text}'");
    }

    public void SkipSpaces()
    {
        while (!AtEnd && line[_at] == ' ') _at++;
    }

    public string Name()
    {
        var start = _at;
        while (!AtEnd && IsNamePart(line[_at])) _at++;
        return _at > start ? line[start.._at] : throw Unexpected("a name");
    }

    /// <summary>A constant: a text or character in quotes, or anything up to a comma or the end of the bracket.</summary>
    public string Constant()
    {
        var start = _at;
        if (!AtEnd && line[_at] is '"' or '\'')
        {
            var quote = line[_at++];
            while (line[_at] != quote) _at += line[_at] == '\\' ? 2 : 1;
            _at++;
        }
        else
        {
            var depth = 0;
            for (; !AtEnd && (depth > 0 || line[_at] is not (',' or ')' or ']')); _at++)
                depth += line[_at] is '(' ? 1 : line[_at] is ')' ? -1 : 0;
        }
        return line[start.._at].Trim();
    }

    public string Rest()
    {
        var rest = line[_at..].Trim();
        _at = line.Length;
        return rest;
    }

    public FormatException Unexpected(string expected) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Expected {expected} at column {_at + 1} of: {line}"));

    private static bool IsNamePart(char c) => char.IsLetterOrDigit(c) || c == '_';
}
