using System.Globalization;
using System.Text.Json;
using LowRankTraining.Benchmarks.Memory;

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
        results.SetRuns([.. File.ReadLines(Path.Combine(FolderOf(root), "comparison", "runs.jsonl")).Select(Element)]);
        results.SetSteps(File.ReadLines(Path.Combine(FolderOf(root), "Step.md")));
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

    private void SetRuns(IReadOnlyList<JsonElement> runs)
    {
        var adamW = runs.Where(run => Word(run.GetProperty("request"), "method") == "adamw")
            .ToLookup(run => Word(run.GetProperty("request"), "model"), run => Number(run.GetProperty("report"), "optimizer_state_bytes"));
        foreach (var run in runs)
        {
            var (request, report) = (run.GetProperty("request"), run.GetProperty("report"));
            if (!report.TryGetProperty("perplexity", out var perplexity) || perplexity.ValueKind != JsonValueKind.Number)
                continue;
            Set(ClaimKind.Perplexity, NameOf(request), perplexity.GetDouble());
            Set(ClaimKind.Run, NameOf(request), perplexity.GetDouble(),
                Number(report, "optimizer_state_bytes") / adamW[Word(request, "model")].First());
        }
    }

    /// <summary>The rows of BenchmarkDotNet's table.</summary>
    private void SetSteps(IEnumerable<string> lines)
    {
        var rows = lines.Where(line => line.StartsWith('|')).Select(line => line.Split('|').Select(cell => cell.Trim(' ', '*')).ToArray()).ToList();
        var (name, time, scratch) = (Column("Optimizer"), Column("Of AdamW's"), Column("Scratch"));
        foreach (var row in rows.Skip(2))
            Set(ClaimKind.Step, row[name], double.Parse(row[time], CultureInfo.InvariantCulture), double.Parse(row[scratch], CultureInfo.InvariantCulture));

        int Column(string head) => Array.IndexOf(rows[0], head);
    }

    private void Set(ClaimKind kind, string name, params double[] measured) => values[(kind, name)] = measured;

    private static string Word(JsonElement run, string property) => run.GetProperty(property).GetString()!;

    private static IEnumerable<JsonElement> Parsed(string root, string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(FolderOf(root), file)));
        return [.. document.RootElement.EnumerateArray().Select(element => element.Clone())];
    }

    private static JsonElement Element(string line)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }

    private static string NameOf(JsonElement request)
    {
        var tokens = Number(request, "steps") * Number(request, "batch") * Number(request, "sequence");
        return string.Create(CultureInfo.InvariantCulture,
            $"{Word(request, "method")}, rate {Number(request, "learning_rate")}, {tokens} tokens, seed {Number(request, "seed")}");
    }

    private static double Number(JsonElement element, string property) => element.GetProperty(property).GetDouble();

    private static string FolderOf(string root) => Path.Combine(root, "benchmarks", "results");
}
