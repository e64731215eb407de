namespace LowRankTraining.Benchmarks.Tables;

/// <summary><c>tables [ROOT]</c>: writes the tables and pictures of the comparison again, from the committed results.</summary>
internal static class TablesCommand
{
    public const string Name = "tables";

    /// <returns>0; or 2 where there is no repository.</returns>
    public static int Run(string[] arguments)
    {
        var root = arguments is [var given] ? given : Directory.GetCurrentDirectory();
        if (!Repository.IsAt(root))
            return Repository.Refuse(root, Name);

        foreach (var pages in ComparisonTables.Of(root).GroupBy(part => part.Page))
        {
            var file = Path.Combine(root, pages.Key);
            var (before, after) = (File.ReadAllText(file), pages.Aggregate(File.ReadAllText(file), (text, part) => part.In(text)));
            if (before != after)
                File.WriteAllText(file, after);
            Console.WriteLine($"{pages.Key}: {(before == after ? "up to date" : "written")}");
        }

        return 0;
    }
}
