namespace Compare.Runs;

/// <summary>Why a process ended that should have gone on, in words.</summary>
internal static class ProcessEnd
{
    /// <summary>How the runtime and the libraries of C++ begin what they say last.</summary>
    private static readonly string[] LastWords = ["what():", "Unhandled exception", "Out of memory", "Fatal", "error:", "terminate called"];

    /// <summary>From its exit code (above 128 the number of a signal, on Unix) and what it wrote to standard error.</summary>
    public static string Describe(int exitCode, IReadOnlyList<string> errorLines)
    {
        var how = exitCode switch
        {
            128 + 9 => "its process was killed, as the system does when memory runs out",
            128 + 11 => "its process crashed (segmentation fault)",
            128 + 6 => "its process aborted",
            128 + 15 => "its process was told to terminate",
            > 128 and < 192 when !OperatingSystem.IsWindows() => $"its process was ended by signal {exitCode - 128}",
            _ => $"its process ended with exit code {exitCode}",
        };
        var why = LastWords.Select(word => errorLines.FirstOrDefault(line => line.TrimStart().StartsWith(word, StringComparison.Ordinal)))
            .FirstOrDefault(line => line is not null)
            ?? errorLines.LastOrDefault(line => !string.IsNullOrWhiteSpace(line));
        return why is null ? how : $"{how}: {why.Trim()}";
    }
}
