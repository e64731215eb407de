using System.Globalization;
using System.Text.Json;
using LanguageModel.Methods;

namespace LowRankTraining.Benchmarks.Tables;

/// <summary>A run of the comparison of all methods: what a line of <c>runs.jsonl</c> says.</summary>
/// <param name="Method">Its name in <see cref="AllMethods"/>.</param>
/// <param name="Model">Name of the model's configuration.</param>
/// <param name="LearningRate">The largest of the run.</param>
/// <param name="Tokens">Trained on.</param>
/// <param name="Seed">Of weights, batches and method.</param>
/// <param name="Perplexity">Of the validation at the end; NaN where training fell apart.</param>
/// <param name="StateBytes">Kept by the optimizer between steps.</param>
/// <param name="PeakBytes">The most bytes of tensors at once; null where they were not counted.</param>
internal sealed record ComparisonRun(
    string Method, string Model, double LearningRate, long Tokens, long Seed, double Perplexity, double StateBytes, double? PeakBytes)
{
    /// <value>What a page calls it: <c>fira, rate 0.01, 204800 tokens, seed 42</c>.</value>
    public string Name => $"{Setting}, seed {Seed}";

    /// <value>The same without its seed.</value>
    public string Setting => string.Create(CultureInfo.InvariantCulture, $"{Method}, rate {LearningRate}, {Tokens} tokens");

    /// <value>What tables call the method.</value>
    public string Title => AllMethods.Find(Method).Title;

    /// <summary>Reads a line.</summary>
    public static ComparisonRun Parse(string line)
    {
        using var document = JsonDocument.Parse(line);
        var (request, report) = (document.RootElement.GetProperty("request"), document.RootElement.GetProperty("report"));
        return new(
            Word(request, "method"),
            Word(request, "model"),
            Number(request, "learning_rate")!.Value,
            (long)(Number(request, "steps") * Number(request, "batch") * Number(request, "sequence"))!.Value,
            (long)Number(request, "seed")!.Value,
            Number(report, "perplexity") ?? double.NaN,
            Number(report, "optimizer_state_bytes")!.Value,
            Number(report, "peak_tensor_bytes"));
    }

    private static string Word(JsonElement element, string property) => element.GetProperty(property).GetString()!;

    private static double? Number(JsonElement element, string property) =>
        element.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
}
