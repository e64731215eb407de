using LanguageModel.Data;

namespace Compare;

/// <summary>A finished comparison.</summary>
internal sealed record Findings
{
    /// <value>What was compared.</value>
    public required CompareSettings Settings { get; init; }

    /// <value>What came out, in the order of the settings.</value>
    public required IReadOnlyList<MethodResult> Results { get; init; }

    /// <value>The text.</value>
    public required TextCorpus Corpus { get; init; }

    /// <value>Number of parameters of the model.</value>
    public required long Parameters { get; init; }

    /// <value>The machine, in words.</value>
    public required string Machine { get; init; }

    /// <value>Time from the first step to the last validation of all.</value>
    public required TimeSpan Elapsed { get; init; }

    /// <value>AdamW's state, as measured, or two moments for every parameter where AdamW did not run.</value>
    public long AdamWStateBytes =>
        Results.FirstOrDefault(result => result.Method.Name == "adamw")?.StateBytes ?? 2 * Parameters * (Settings.Dtype == "bfloat16" ? 2 : 4);

    /// <value>What the peak memory counts.</value>
    public string PeakBytesOf => Results[0].Runs[0].PeakBytesOf;

    /// <summary>State of <paramref name="result"/> as a share of AdamW's.</summary>
    public double StateShare(MethodResult result) => (double)result.StateBytes / AdamWStateBytes;
}
