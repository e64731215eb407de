using System.Text.RegularExpressions;

namespace LanguageModel.Data;

/// <summary>Reads <c>--data NAME=PATH</c>.</summary>
public static partial class NamedData
{
    /// <summary>Names and paths, or null when none of <paramref name="values"/> has a name: then all are paths of one text.</summary>
    /// <remarks>What exists as a file or folder is a path, even with an equals sign in it.</remarks>
    /// <exception cref="UserException">Only some have names, or one only, or a name twice, or a path is missing.</exception>
    public static IReadOnlyList<(string Name, string Path)>? Parse(IReadOnlyList<string> values)
    {
        var matches = values.Select(value => (Value: value, Match: Pattern().Match(File.Exists(value) || Directory.Exists(value) ? "" : value))).ToList();
        if (matches.All(entry => !entry.Match.Success))
            return null;

        if (matches.FirstOrDefault(entry => !entry.Match.Success).Value is { } unnamed)
            throw new UserException($"--data {unnamed} has no name, and others have. Give every source as --data NAME=PATH, or none.");

        var sources = matches.Select(entry => (Name: entry.Match.Groups[1].Value, Path: entry.Match.Groups[2].Value)).ToList();
        if (sources.FirstOrDefault(source => source.Path.Length == 0).Name is { } nowhere)
            throw new UserException($"--data {nowhere}= names no file or folder. Write --data {nowhere}=PATH.");
        if (sources.GroupBy(source => source.Name).FirstOrDefault(group => group.Skip(1).Any()) is { } twice)
            throw new UserException(
                $"Two sources are called '{twice.Key}'. Give each --data a name of its own; a source of several files is a folder of them.");
        if (sources.Count < 2)
            throw new UserException(
                $"There is one source, '{sources[0].Name}', and nothing to mix it with. Add another --data NAME=PATH, or leave the name out.");

        return sources;
    }

    /// <summary>The same values with full paths.</summary>
    public static IReadOnlyList<string> WithFullPaths(IReadOnlyList<string> values) => Parse(values) is { } sources
        ? [.. sources.Select(source => $"{source.Name}={Path.GetFullPath(source.Path)}")]
        : [.. values.Select(Path.GetFullPath)];

    [GeneratedRegex("^([A-Za-z0-9_.-]+)=(.*)$")]
    private static partial Regex Pattern();
}
