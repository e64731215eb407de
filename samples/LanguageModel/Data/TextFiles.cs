using System.Text;

namespace LanguageModel.Data;

/// <summary>The user's own text files, as documents.</summary>
public static class TextFiles
{
    /// <summary>Characters after which a document ends at the next line break, or the next white space of a line this long: long enough to read on, short
    /// enough to split finely.</summary>
    private const int DocumentLength = 4096;

    private static readonly string[] Endings = [".txt", ".md"];

    /// <summary>The text of every file; folders stand for the .txt and .md files in and below them, in the order of their names, which is the same on
    /// every system.</summary>
    public static IEnumerable<string> Documents(IEnumerable<string> paths) =>
        paths.SelectMany(Files).ToList().SelectMany(Documents);

    private static IEnumerable<string> Files(string path)
    {
        if (File.Exists(path))
        {
            return new FileInfo(path).Length > 0
                ? [path]
                : throw new UserException($"{path} is empty. Give a text file of at least a few kilobytes with --data.");
        }

        if (!Directory.Exists(path))
            throw new UserException($"There is no file or folder {path}. Give a text file, or a folder of .txt or .md files, with --data.");

        var found = Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
            .Where(file => Endings.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
            .OrderBy(file => file.Replace(Path.DirectorySeparatorChar, '/'), StringComparer.Ordinal)
            .ToList();
        return found.Count > 0
            ? found
            : throw new UserException($"The folder {path} holds no .txt or .md file. Give another folder, or a file, with --data.");
    }

    private static IEnumerable<string> Documents(string file)
    {
        using var reader = new Utf8Reader(file);
        var document = new StringBuilder();
        foreach (var line in BoundedLines.Read(reader, DocumentLength))
        {
            document.Append(line);
            if (document.Length < DocumentLength)
                continue;

            yield return document.ToString();
            document.Clear();
        }

        if (document.Length > 0)
            yield return document.ToString();
    }
}
