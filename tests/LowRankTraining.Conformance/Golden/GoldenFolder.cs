namespace LowRankTraining.Conformance.Golden;

/// <summary>Where the cases are: the folder named by LRT_GOLDEN_DIR, or the copy beside the tests.</summary>
public static class GoldenFolder
{
    public static string Path { get; } = Environment.GetEnvironmentVariable("LRT_GOLDEN_DIR") is { Length: > 0 } chosen
        ? chosen
        : System.IO.Path.Combine(AppContext.BaseDirectory, "golden");

    public static IEnumerable<GoldenCase> Cases =>
        Directory.EnumerateFiles(Path, "*.safetensors").Order(StringComparer.Ordinal).Select(GoldenCase.Read);

    public static GoldenCase Case(string name) => GoldenCase.Read(System.IO.Path.Combine(Path, name + ".safetensors"));
}
