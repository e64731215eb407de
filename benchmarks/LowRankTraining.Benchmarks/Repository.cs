namespace LowRankTraining.Benchmarks;

/// <summary>The folder of the repository, where pages and committed results are.</summary>
internal static class Repository
{
    /// <summary>Whether it is <paramref name="folder"/>.</summary>
    public static bool IsAt(string folder) => File.Exists(Path.Combine(folder, "README.md")) && Directory.Exists(Path.Combine(folder, "benchmarks", "results"));

    /// <summary>Says that it is not there; returns the exit code.</summary>
    public static int Refuse(string folder, string command)
    {
        Console.Error.WriteLine(
            $"{Path.GetFullPath(folder)} is not the repository of LowRankTraining: start {command} in its top folder, or name that folder.");
        return 2;
    }
}
