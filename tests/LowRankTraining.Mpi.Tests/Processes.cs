using System.Diagnostics;

namespace LowRankTraining.Mpi.Tests;

/// <summary>Starts the worker in several processes.</summary>
internal static class Processes
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <value>Why that is not possible here; null where it is.</value>
    public static string? Absence { get; } = Launcher is null
        ? "There is no mpiexec of MPICH (apt-get install mpich) or MS-MPI (https://aka.ms/msmpi)." : null;

    private static string? Launcher => (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder =>
            (OperatingSystem.IsWindows() ? ["mpiexec.exe"] : new[] { "mpiexec.mpich", "mpiexec.hydra" }).Select(name => Path.Combine(folder, name)))
        .FirstOrDefault(File.Exists);

    /// <summary>Runs a scenario in so many processes.</summary>
    public static Outcome Start(int count, params string[] scenario) =>
        Run(Launcher!, ["-n", $"{count}", DotnetHost, typeof(Processes).Assembly.Location, .. scenario]);

    /// <summary>Runs a scenario in one process that nobody has started together with others.</summary>
    public static Outcome StartAlone(string[] scenario, params (string Name, string Value)[] environment) =>
        Run(DotnetHost, [typeof(Processes).Assembly.Location, .. scenario], environment);

    private static string DotnetHost => System.Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";

    private static Outcome Run(string program, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";

        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end.\n{output.Result}\n{error.Result}");
        }

        return new(process.ExitCode, output.Result.Trim(), error.Result);
    }

    /// <summary>How processes have ended, and what they have written.</summary>
    internal sealed record Outcome(int ExitCode, string Output, string Error);
}
