namespace LowRankTraining.Tests.Documentation;

/// <summary>Texts of the repository, as they were when the tests were built.</summary>
internal static class Repository
{
    private static readonly string Root = Path.Combine(AppContext.BaseDirectory, "repository");

    /// <summary>README.md and every page of docs.</summary>
    public static IEnumerable<string> Pages => Directory.EnumerateFiles(Root, "*.md", SearchOption.AllDirectories)
        .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/')).Order(StringComparer.Ordinal);

    public static bool Has(string path) => File.Exists(Path.Combine(Root, path));

    /// <summary>A file, or all files of a folder one after the other.</summary>
    public static string Read(string path) => Directory.Exists(Path.Combine(Root, path))
        ? string.Concat(Directory.EnumerateFiles(Path.Combine(Root, path)).Select(File.ReadAllText))
        : File.ReadAllText(Path.Combine(Root, path));
}
