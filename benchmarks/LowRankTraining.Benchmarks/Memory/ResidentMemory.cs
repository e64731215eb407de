using System.Globalization;

namespace LowRankTraining.Benchmarks.Memory;

/// <summary>Pages of this process that are in memory, as Linux counts them.</summary>
internal static class ResidentMemory
{
    /// <value>Bytes now.</value>
    public static long Now => Read("VmRSS:");

    /// <value>The most there have been.</value>
    public static long Peak => Read("VmHWM:");

    private static long Read(string field) => 1024 * long.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith(field, StringComparison.Ordinal))[field.Length..^2], CultureInfo.InvariantCulture);
}
