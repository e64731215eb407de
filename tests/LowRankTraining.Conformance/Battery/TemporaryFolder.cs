namespace LowRankTraining.Conformance.Battery;

/// <summary>A folder that is gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("low-rank-training").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
