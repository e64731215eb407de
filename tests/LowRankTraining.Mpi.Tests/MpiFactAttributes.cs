using Xunit;

namespace LowRankTraining.Mpi.Tests;

/// <summary>A fact about several processes; skipped, by name, where they cannot be started, unless that is on a build server with Linux (<c>CI</c> is set):
/// it fails there, but for those servers that are known to have no MPI (<c>LRT_WITHOUT_MPI</c> is true).</summary>
internal sealed class MpiFactAttribute : FactAttribute
{
    public MpiFactAttribute() => Skip = Absence;

    internal static string? Absence =>
        OperatingSystem.IsLinux() && Variable("CI").Length > 0 && Variable("LRT_WITHOUT_MPI") != "true" ? null : Processes.Absence;

    private static string Variable(string name) => System.Environment.GetEnvironmentVariable(name) ?? "";
}

/// <summary>The same for a theory.</summary>
internal sealed class MpiTheoryAttribute : TheoryAttribute
{
    public MpiTheoryAttribute() => Skip = MpiFactAttribute.Absence;
}
