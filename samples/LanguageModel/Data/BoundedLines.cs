using System.Text;

namespace LanguageModel.Data;

/// <summary>Reads the lines of a text, and parts of those that are too long to be dealt with as a whole: some texts are one line.</summary>
internal static class BoundedLines
{
    /// <summary>Each line, with a line feed at its end; a line of more than <paramref name="length"/> characters in parts, each up to the next white
    /// space.</summary>
    /// <remarks>Text without white space is cut after a quarter more than <paramref name="length"/>, but never between the halves of one character.</remarks>
    public static IEnumerable<string> Read(TextReader reader, int length)
    {
        var limit = length + length / 4;
        var part = new StringBuilder();
        while (reader.Read() is >= 0 and var read)
        {
            var letter = (char)read;
            if (letter == '\r')
            {
                if (reader.Peek() == '\n')
                    reader.Read();
                letter = '\n';
            }

            part.Append(letter);
            if (letter != '\n' && !IsLongEnough(part, letter, length, limit))
                continue;

            yield return part.ToString();
            part.Clear();
        }

        if (part.Length > 0)
            yield return part.Append('\n').ToString();
    }

    private static bool IsLongEnough(StringBuilder part, char last, int length, int limit) =>
        part.Length >= length && (char.IsWhiteSpace(last) || part.Length >= limit) && !char.IsHighSurrogate(last);
}
