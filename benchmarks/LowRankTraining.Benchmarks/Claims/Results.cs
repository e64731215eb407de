using System.Text.Json;
using LowRankTraining.Benchmarks.Memory;
using LowRankTraining.Benchmarks.Tables;

namespace LowRankTraining.Benchmarks.Claims;

/// <summary>The committed results.</summary>
internal sealed class Results
{
    private readonly Dictionary<(ClaimKind Kind, string Name), double[]> values = [];

    /// <summary>Reads benchmarks/results under <paramref name="root"/>, the folder of the repository.</summary>
    public static Results Read(string root)
    {
        var results = new Results();
        foreach (var figure in Parsed(root, "figures.json"))
            results.Set(ClaimKind.Figure, figure.GetProperty("name").GetString()!, figure.GetProperty("value").GetDouble());
        foreach (var run in Parsed(root, "memory.json"))
            results.Set(ClaimKind.Memory, MemoryRun.NameOf(Word(run, "model"), Word(run, "method"), Word(run, "flow"), Word(run, "weights")),
                run.GetProperty(run.GetProperty("measured").GetBoolean() ? "peak_bytes" : "planned_bytes").GetDouble());
        results.SetRuns(ComparisonRuns.Read(root));
        return results;
    }

    /// <summary>The values of a result; null where there is none of that name.</summary>
    public IReadOnlyList<double>? Find(Claim claim) => values.GetValueOrDefault((claim.Kind, claim.Name));

    /// <summary>What is wrong with <paramref name="claim"/>; null where it says what was measured.</summary>
    public string? ObjectionTo(Claim claim)
    {
        if (Find(claim) is not { } measured)
            return $"{claim.Place} names '{claim.Name}', which is not in the committed results";
        var silent = measured.Where(value => !claim.Says(value)).Select(value => $"{value:G6}").ToList();
        return silent.Count == 0 ? null : $"{claim.Place} does not say {string.Join(" and ", silent)}, which '{claim.Name}' is: {claim.Text}";
    }

    private void SetRuns(ComparisonRuns runs)
    {
        foreach (var run in runs.All.Where(run => double.IsFinite(run.Perplexity)))
        {
            Set(ClaimKind.Perplexity, run.Name, run.Perplexity);
            if (runs.SeedsOf(run) is { } seeds)
                Set(ClaimKind.Mean, run.Setting, seeds.Mean);
        }
    }

    private void Set(ClaimKind kind, string name, params double[] measured) => values[(kind, name)] = measured;

    private static string Word(JsonElement run, string property) => run.GetProperty(property).GetString()!;

    private static IEnumerable<JsonElement> Parsed(string root, string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(FolderOf(root), file)));
        return [.. document.RootElement.EnumerateArray().Select(element => element.Clone())];
    }

    private static string FolderOf(string root) => Path.Combine(root, "benchmarks", "results");
}
