using Xunit;

namespace LowRankTraining.Mpi.Tests;

/// <summary>A fact about several processes; skipped, by name, where they cannot be started, unless that is on a build server with Linux (<c>CI</c> is set):
/// it fails there.</summary>
internal sealed class MpiFactAttribute : FactAttribute
{
    public MpiFactAttribute() => Skip = Absence;

    internal static string? Absence =>
        OperatingSystem.IsLinux() && !string.IsNullOrEmpty(System.Environment.GetEnvironmentVariable("CI")) ? null : Processes.Absence;
}

/// <summary>The same for a theory.</summary>
internal sealed class MpiTheoryAttribute : TheoryAttribute
{
    public MpiTheoryAttribute() => Skip = MpiFactAttribute.Absence;
}
