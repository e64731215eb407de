using LowRankTraining.Benchmarks.Figures;

namespace LowRankTraining.Benchmarks.Claims;

/// <summary><c>check-claims [ROOT]</c>: compares the numbers on the pages with the committed results, and measures again those that take seconds and do not
/// depend on the machine's speed.</summary>
internal static class ClaimsCommand
{
    public const string Name = "check-claims";

    /// <summary>Relative difference of a figure that was measured again: sums in another order, and no more.</summary>
    private const double Tolerance = 1e-3;

    /// <returns>0 where every claim holds; 1 where one does not; 2 where there is no repository.</returns>
    public static int Run(string[] arguments)
    {
        var root = arguments is [var given] ? given : Directory.GetCurrentDirectory();
        if (!Repository.IsAt(root))
            return Repository.Refuse(root, Name);

        var (claims, results) = (Pages(root).ToList(), Results.Read(root));
        var objections = claims.Select(results.ObjectionTo).OfType<string>().ToList();
        Console.WriteLine($"{claims.Count} claims on the pages; {claims.Count - objections.Count} say what the committed results say.");

        var measured = new[] { StateFigures.Measure, ScratchFigures.Measure }.SelectMany(measure => measure()).ToDictionary(figure => figure.Name);
        var again = claims.Where(claim => claim.Kind == ClaimKind.Figure && measured.ContainsKey(claim.Name)).ToList();
        objections.AddRange(again.Select(claim => ObjectionTo(claim, measured[claim.Name], results)).OfType<string>());
        Console.WriteLine($"{again.Count} of them were measured again ({string.Join(", ", again.Select(claim => claim.Name).Distinct())}).");

        objections.ForEach(Console.Error.WriteLine);
        return objections.Count == 0 ? 0 : 1;
    }

    /// <summary>The claims of the README, and of all pages and pictures.</summary>
    public static IEnumerable<Claim> Pages(string root) =>
        from file in new[] { "*.md", "*.svg" }.SelectMany(kind => Directory.EnumerateFiles(Path.Combine(root, "docs"), kind, SearchOption.AllDirectories))
            .Order().Prepend(Path.Combine(root, "README.md"))
        from claim in Claim.In(Path.GetRelativePath(root, file), File.ReadAllText(file))
        select claim;

    private static string? ObjectionTo(Claim claim, Figure now, Results results) =>
        results.Find(claim) is [var then] && Math.Abs(now.Value - then) > Tolerance * Math.Abs(then)
            ? $"{claim.Place}: '{claim.Name}' was {then:G6} and is now {now.Value:G6}"
            : null;
}
