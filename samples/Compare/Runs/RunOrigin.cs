using System.Reflection;
using System.Runtime.InteropServices;

namespace Compare.Runs;

/// <summary>The program and the machine that a run comes from.</summary>
/// <param name="Commit">Of the source that the program was built from; null outside of a repository.</param>
/// <param name="TorchSharp">Its version.</param>
/// <param name="Runtime">Version of .NET.</param>
/// <param name="System">Operating system and architecture.</param>
/// <param name="Cores">Processors that the program may use.</param>
internal sealed record RunOrigin(string? Commit, string? TorchSharp, string Runtime, string System, int Cores)
{
    /// <value>This program, here.</value>
    public static RunOrigin Here { get; } = new(
        typeof(RunOrigin).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(pair => pair.Key == nameof(Commit))?.Value,
        typeof(TorchSharp.torch).Assembly.GetName().Version?.ToString(3),
        RuntimeInformation.FrameworkDescription,
        $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.ProcessArchitecture}",
        Environment.ProcessorCount);
}
