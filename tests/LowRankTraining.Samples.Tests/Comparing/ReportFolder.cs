using System.Text.Json;
using Compare;

namespace LowRankTraining.Samples.Tests.Comparing;

/// <summary>What a comparison has written.</summary>
internal sealed class ReportFolder(CompareSettings settings)
{
    private readonly Lazy<JsonElement> results = new(() => JsonDocument.Parse(File.ReadAllText(Path.Combine(settings.Out, "results.json"))).RootElement);

    public string Page => File.ReadAllText(Path.Combine(settings.Out, "report.html"));

    public string State => results.Value.GetProperty("state").GetString()!;

    public JsonElement Method(string name) =>
        results.Value.GetProperty("methods").EnumerateArray().Single(method => method.GetProperty("name").GetString() == name);

    public string? Shortfall(string name) => Method(name).GetProperty("shortfall").GetString();

    public double Perplexity(string name) => Method(name).GetProperty("perplexity").GetDouble();

    public long? Peak(string name, string kind) => Method(name).GetProperty(kind) is { ValueKind: JsonValueKind.Number } bytes ? bytes.GetInt64() : null;
}
