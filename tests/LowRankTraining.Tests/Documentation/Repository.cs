namespace LowRankTraining.Tests.Documentation;

/// <summary>Texts of the repository, as they were when the tests were built.</summary>
internal static class Repository
{
    private static readonly string Root = Path.Combine(AppContext.BaseDirectory, "repository");

    public static bool Has(string path) => File.Exists(Path.Combine(Root, path));

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));
}
