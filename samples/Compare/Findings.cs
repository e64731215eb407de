using LanguageModel.Data;

namespace Compare;

/// <summary>A comparison, finished or as far as it has come.</summary>
internal sealed record Findings
{
    /// <value>What is compared.</value>
    public required CompareSettings Settings { get; init; }

    /// <value>How far it has come.</value>
    public required ComparisonState State { get; init; }

    /// <value>What came out, a result for each method in the order of the settings.</value>
    public required IReadOnlyList<MethodResult> Results { get; init; }

    /// <value>The text.</value>
    public required TextCorpus Corpus { get; init; }

    /// <value>Number of parameters of the model.</value>
    public required long Parameters { get; init; }

    /// <value>The machine, in words.</value>
    public required string Machine { get; init; }

    /// <value>Time from the beginning to now.</value>
    public required TimeSpan Elapsed { get; init; }

    /// <value>The results with numbers.</value>
    public IEnumerable<MethodResult> Measured => Results.Where(result => result.IsMeasured);

    /// <value>The results with numbers, the lowest perplexity first.</value>
    public IReadOnlyList<MethodResult> Ranked => [.. Measured.OrderBy(result => result.Perplexity)];

    /// <value>The methods of which a run was not finished, and why.</value>
    public IEnumerable<(MethodResult Result, string Why)> Shortfalls => Results
        .Select(result => (result, Why: result.Shortfall(Settings.Seeds, Settings.Steps)))
        .Where(entry => entry.Why is not null)
        .Select(entry => (entry.result, entry.Why!));

    /// <value>AdamW's state, as measured, or two moments for every parameter where AdamW did not run.</value>
    public long AdamWStateBytes =>
        Measured.FirstOrDefault(result => result.Method.Name == "adamw")?.StateBytes ?? 2 * Parameters * (Settings.Dtype == "bfloat16" ? 2 : 4);

    /// <value>How far it has come, in a sentence; null when it is complete and every run was finished.</value>
    public string? Status
    {
        get
        {
            var done = Results.Count(result => result.Runs.Count == Settings.Seeds.Count);
            return State switch
            {
                ComparisonState.Interrupted => $"Interrupted: {done} of {Results.Count} methods were finished.",
                ComparisonState.Running => $"Still running: {done} of {Results.Count} methods are finished.",
                _ when Results.Any(result => result.HasFailed) => $"{done} of {Results.Count} methods were finished; see the table for what failed.",
                _ => null,
            };
        }
    }

    /// <summary>State of <paramref name="result"/> as a share of AdamW's.</summary>
    public double StateShare(MethodResult result) => (double)result.StateBytes / AdamWStateBytes;
}
