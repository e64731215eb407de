using System.Globalization;
using System.Text.Json;
using LowRankTraining.Benchmarks.Memory;

namespace LowRankTraining.Benchmarks.Claims;

/// <summary>The committed results.</summary>
internal sealed class Results
{
    private readonly Dictionary<(ClaimKind Kind, string Name), double> values = [];

    /// <summary>Reads benchmarks/results under <paramref name="root"/>, the folder of the repository.</summary>
    public static Results Read(string root)
    {
        var results = new Results();
        foreach (var figure in Parsed(root, "figures.json"))
            results.Set(ClaimKind.Figure, figure.GetProperty("name").GetString()!, figure.GetProperty("value").GetDouble());
        foreach (var run in Parsed(root, "memory.json"))
            results.Set(ClaimKind.Memory, MemoryRun.NameOf(Word(run, "model"), Word(run, "method"), Word(run, "flow"), Word(run, "weights")),
                run.GetProperty("peak_bytes").GetDouble());
        foreach (var run in File.ReadLines(Path.Combine(FolderOf(root), "comparison", "runs.jsonl")).Select(Element))
            if (run.GetProperty("report").TryGetProperty("perplexity", out var perplexity) && perplexity.ValueKind == JsonValueKind.Number)
                results.Set(ClaimKind.Perplexity, NameOf(run.GetProperty("request")), perplexity.GetDouble());
        return results;
    }

    /// <summary>The value of a result; null where there is none of that name.</summary>
    public double? Find(Claim claim) => values.TryGetValue((claim.Kind, claim.Name), out var value) ? value : null;

    /// <summary>What is wrong with <paramref name="claim"/>; null where it says what was measured.</summary>
    public string? ObjectionTo(Claim claim) => Find(claim) switch
    {
        null => $"{claim.Place} names '{claim.Name}', which is not in the committed results",
        { } value when !claim.Says(value) => $"{claim.Place} does not say {value:G6}, which '{claim.Name}' is: {claim.Text}",
        _ => null,
    };

    private void Set(ClaimKind kind, string name, double value) => values[(kind, name)] = value;

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

    private static double Number(JsonElement request, string property) => request.GetProperty(property).GetDouble();

    private static string FolderOf(string root) => Path.Combine(root, "benchmarks", "results");
}
