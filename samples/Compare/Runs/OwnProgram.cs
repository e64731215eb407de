using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Compare.Runs;

/// <summary>How this program is started once more, whether it was started by <c>dotnet run</c>, as <c>dotnet compare.dll</c> or as a program of its
/// own.</summary>
internal static class OwnProgram
{
    private static readonly UTF8Encoding Text = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>This program with <paramref name="arguments"/>, its standard streams redirected.</summary>
    public static ProcessStartInfo Start(params string[] arguments)
    {
        var assembly = typeof(OwnProgram).Assembly;
        var host = Environment.ProcessPath;
        var isOwnHost = assembly.Location.Length == 0 || Path.GetFileNameWithoutExtension(host) == assembly.GetName().Name;
        return host is not null && isOwnHost
            ? Redirected(new ProcessStartInfo(host, arguments))
            : Redirected(new ProcessStartInfo(DotnetHost(host), ["exec", assembly.Location, .. arguments]));
    }

    private static ProcessStartInfo Redirected(ProcessStartInfo start)
    {
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
        (start.UseShellExecute, start.CreateNoWindow) = (false, true);
        (start.StandardInputEncoding, start.StandardOutputEncoding, start.StandardErrorEncoding) = (Text, Text, Text);

        // libtorch's threads wait for one another many times a step. On a busy machine those that spin while they wait keep the others from going on.
        start.Environment.TryAdd("OMP_WAIT_POLICY", "PASSIVE");
        return start;
    }

    /// <summary>The host that runs this process, or the one of the runtime it runs on (<c>ROOT/shared/Microsoft.NETCore.App/VERSION</c>), or the one on the
    /// path.</summary>
    private static string DotnetHost(string? host)
    {
        if (Path.GetFileNameWithoutExtension(host) == "dotnet")
            return host!;

        var ofRuntime =
            Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
        return File.Exists(ofRuntime) ? ofRuntime : "dotnet";
    }
}
