using System.Diagnostics;
using System.Globalization;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Steady steps of one optimizer in a process that has never held another, as a training program runs it.</summary>
/// <remarks>
/// An optimizer whose temporaries live to the end of a step is several times as fast where others have left a large heap behind, as in
/// <see cref="StepFigures"/>, as where the C library gives the memory back to the system after every step.
/// </remarks>
internal static class AloneFigures
{
    public const string Command = "step-alone";

    private const int Rank = 128, Processes = 3;

    private static readonly (string Method, double AtMost)[] Limits = [("APOLLO", 1.0), ("APOLLO-Mini", 0.4), ("FRUGAL", 0.9)];

    public static IEnumerable<Figure> Measure()
    {
        var rounds = Enumerable.Range(0, Processes)
            .Select(_ => Limits.Select(limit => limit.Method).Prepend(Methods.AdamW).ToDictionary(method => method, InProcessOfItsOwn)).ToArray();

        yield return new($"step of {Methods.AdamW}, alone", Statistics.Median(rounds.Select(round => round[Methods.AdamW])), "ms");
        foreach (var (method, atMost) in Limits)
            yield return new($"step of {method}, alone / step of {Methods.AdamW}, alone",
                Statistics.Median(rounds.Select(round => round[method] / round[Methods.AdamW])), "times", Goal.AtMost(atMost));
    }

    /// <summary>What the process does: 25 steps, whose median it prints in milliseconds.</summary>
    public static void Run(string method)
    {
        using var matrices = Matrices.Of60M();
        using var optimizer = Methods.Make(method, matrices, Rank);
        var rounds = Rounds.Run(count: 25, warmUps: 3, round => round.Time(method, () => optimizer.step()));
        Console.WriteLine(rounds.Median(method).ToString("R", CultureInfo.InvariantCulture));
    }

    private static double InProcessOfItsOwn(string method)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, ArgumentList = { Command, method } };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Insert(0, typeof(AloneFigures).Assembly.Location);

        using var process = Process.Start(start)!;
        var milliseconds = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? double.Parse(milliseconds, CultureInfo.InvariantCulture)
            : throw new InvalidOperationException($"The process that measures {method} ended with exit code {process.ExitCode}.");
    }
}
