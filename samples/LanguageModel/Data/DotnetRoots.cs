using System.Runtime.InteropServices;

namespace LanguageModel.Data;

/// <summary>The folders in which .NET may be installed on this machine.</summary>
internal static class DotnetRoots
{
    /// <summary>The one in DOTNET_ROOT, the one this program runs on, the one on the path, then the usual places.</summary>
    public static IEnumerable<string> All()
    {
        string?[] candidates = [Environment.GetEnvironmentVariable("DOTNET_ROOT"), OfRuntime(), OfPath(), .. UsualPlaces()];
        return candidates.OfType<string>().Where(Directory.Exists).Distinct();
    }

    /// <summary>The runtime lies in <c>ROOT/shared/Microsoft.NETCore.App/VERSION</c>.</summary>
    private static string OfRuntime() => Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    private static string? OfPath()
    {
        var host = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        var file = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, host))
            .FirstOrDefault(File.Exists);
        return file is null ? null : Path.GetDirectoryName(File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file);
    }

    private static IEnumerable<string> UsualPlaces() =>
    [
        "/usr/share/dotnet", "/usr/lib/dotnet", "/usr/local/share/dotnet",
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "dotnet"),
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".dotnet"),
    ];
}
