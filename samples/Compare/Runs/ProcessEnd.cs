namespace Compare.Runs;

/// <summary>Why a process ended that should have gone on, in words.</summary>
internal static class ProcessEnd
{
    // Of Windows' ntstatus.h.
    private const int AccessViolation = unchecked((int)0xC0000005), FailFast = unchecked((int)0xC0000409), HeapCorruption = unchecked((int)0xC0000374),
        NoMemory = unchecked((int)0xC0000017), CommitmentLimit = unchecked((int)0xC000012D), MissingLibrary = unchecked((int)0xC0000135);

    /// <summary>How the runtime and the libraries of C++ begin what they say last.</summary>
    private static readonly string[] LastWords = ["what():", "Unhandled exception", "Out of memory", "Fatal", "error:", "terminate called"];

    /// <summary>From its exit code (above 128 the number of a signal on Unix, an NTSTATUS on Windows) and what it wrote to standard error.</summary>
    public static string Describe(int exitCode, IReadOnlyList<string> errorLines)
    {
        var how = exitCode switch
        {
            128 + 9 => "its process was killed, as the system does when memory runs out",
            128 + 11 => "its process crashed (segmentation fault)",
            128 + 6 => "its process aborted",
            128 + 15 => "its process was told to terminate",
            AccessViolation => "its process crashed (access violation)",
            FailFast or HeapCorruption => "its process aborted",
            NoMemory or CommitmentLimit => "its process ended because memory ran out",
            MissingLibrary => "its process could not be started: a native library is missing",
            > 128 and < 192 when !OperatingSystem.IsWindows() => $"its process was ended by signal {exitCode - 128}",
            _ => $"its process ended with exit code {exitCode}",
        };
        var why = LastWords.Select(word => errorLines.FirstOrDefault(line => line.TrimStart().StartsWith(word, StringComparison.Ordinal)))
            .FirstOrDefault(line => line is not null)
            ?? errorLines.LastOrDefault(line => !string.IsNullOrWhiteSpace(line));
        return why is null ? how : $"{how}: {why.Trim()}";
    }
}
