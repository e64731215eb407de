using System.Diagnostics;
using System.Text.Json;

namespace LowRankTraining.Benchmarks.Memory;

/// <summary><c>memory [WORD ...]</c>: what training large models takes on this machine, each run in a process of its own. Linux only.</summary>
internal static class MemoryCommand
{
    public const string Name = "memory", OneName = "memory-one";

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    /// <summary>Measures every run, or those with one of some words in their names, and writes artifacts/memory.json. A run that takes more than the machine
    /// has is only planned.</summary>
    public static int Run(string[] words)
    {
        if (!OperatingSystem.IsLinux())
        {
            Console.Error.WriteLine("memory measures what Linux tells of a process, and this is another system.");
            return 1;
        }

        var reports = new List<MemoryReport>();
        Console.WriteLine(
            "| model | method | gradients | weights | peak, GiB | of tensors | planned | seconds per step | losses |\n|---|---|---|---|---|---|---|---|---|");
        foreach (var run in MemoryRun.All.Where(run => words.Length == 0 || words.Any(run.Name.Contains)))
        {
            // Activations and the rest of the machine take the last fifth.
            if (run.LeastBytes > 0.8 * GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)
            {
                Console.WriteLine(
                    FormattableString.Invariant($"| {run.Model} | {run.Method} | does not fit: {InGiB(run.LeastBytes):0.0} GiB without activations |"));
                Keep(run.Predict());
                continue;
            }

            if (Alone(run) is not { } report)
                continue;
            Console.WriteLine(
                FormattableString.Invariant($"| {report.Model} | {report.Method} | {report.Flow} | {report.Weights} | {InGiB(report.PeakBytes ?? 0):0.00} | ")
                + FormattableString.Invariant($"{InGiB(report.TensorBytes ?? 0):0.00} | {InGiB(report.PlannedBytes):0.00} | ")
                + FormattableString.Invariant($"{report.SecondsPerStep:0.0} | {string.Join(", ", report.Losses.Select(loss => $"{loss:0.00}"))} |"));
            Keep(report);
        }

        return 0;

        void Keep(MemoryReport report)
        {
            reports.Add(report);
            Directory.CreateDirectory("artifacts");
            File.WriteAllText("artifacts/memory.json", JsonSerializer.Serialize(reports, Json));
        }
    }

    /// <summary>The program of one run.</summary>
    public static void RunOne(string name) => Console.WriteLine(JsonSerializer.Serialize(MemoryRun.All.Single(run => run.Name == name).Measure()));

    /// <returns>Null where the process did not come to its end: the machine has too little memory.</returns>
    private static MemoryReport? Alone(MemoryRun run)
    {
        string[] own = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
        var start = new ProcessStartInfo(Environment.ProcessPath!, [.. own, OneName, run.Name]) { RedirectStandardOutput = true };

        // Large tensors come from the system and go back to it; else the heap of the C library would be measured.
        start.Environment["MALLOC_MMAP_THRESHOLD_"] = "1048576";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode == 0)
            return JsonSerializer.Deserialize<MemoryReport>(output);

        Console.WriteLine($"| {run.Model} | {run.Method} | ended with exit code {process.ExitCode} |");
        return null;
    }

    private static double InGiB(long bytes) => bytes / (double)(1 << 30);
}
