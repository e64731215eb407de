namespace LowRankTraining.Conformance.Golden;

/// <summary>A folder of cases, one file each.</summary>
public sealed record GoldenFolder(string Path)
{
    private const string Extension = ".safetensors";

    /// <value>The recorded cases, beside the tests.</value>
    public static GoldenFolder Recorded { get; } = new(System.IO.Path.Combine(AppContext.BaseDirectory, "golden"));

    /// <value>The folder named by LRT_GOLDEN_DIR, or the recorded cases.</value>
    public static GoldenFolder Chosen { get; } = Environment.GetEnvironmentVariable("LRT_GOLDEN_DIR") is { Length: > 0 } chosen ? new(chosen) : Recorded;

    /// <value>The names of the files, without their extension.</value>
    public IEnumerable<string> Names =>
        Directory.EnumerateFiles(Path, "*" + Extension).Select(file => System.IO.Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal);

    public GoldenCase Case(string name) => GoldenCase.Read(System.IO.Path.Combine(Path, name + Extension));
}
