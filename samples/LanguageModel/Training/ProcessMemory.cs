using System.Diagnostics;
using System.Globalization;

namespace LanguageModel.Training;

/// <summary>What the operating system says that this process takes.</summary>
/// <remarks>
/// <para>On Linux from the kernel's own counters: the largest resident size since <see cref="StartPeak"/> is exact, however short it lasted. Pages of
/// files are left out: how much of a program's code is resident tells nothing about what it works on.</para>
/// <para>Elsewhere from the working set: the largest since the process was started where the system keeps it, or else the largest that was looked at.</para>
/// </remarks>
internal sealed class ProcessMemory
{
    private const string Status = "/proc/self/status";
    private const string ForgetPeak = "/proc/self/clear_refs";

    private readonly bool hasKernelCounters = File.Exists(Status) && File.Exists(ForgetPeak);
    private long largestSeen;

    /// <value>Bytes in use at this moment.</value>
    public long Bytes => hasKernelCounters ? Read("RssAnon") : Environment.WorkingSet;

    /// <value>The most bytes in use at once since <see cref="StartPeak"/>.</value>
    public long PeakBytes
    {
        get
        {
            if (hasKernelCounters)
                return Read("VmHWM") - Read("RssFile") - Read("RssShmem");

            using var process = Process.GetCurrentProcess();
            Look();
            return Math.Max(process.PeakWorkingSet64, largestSeen);
        }
    }

    /// <summary>Begins a new peak, where the system lets it.</summary>
    public void StartPeak()
    {
        largestSeen = 0;
        if (hasKernelCounters)
            File.WriteAllText(ForgetPeak, "5");
    }

    /// <summary>Looks at what is in use, where the system itself keeps no peak.</summary>
    public void Look()
    {
        if (!hasKernelCounters)
            largestSeen = Math.Max(largestSeen, Environment.WorkingSet);
    }

    /// <summary>A line of the status file, such as <c>VmHWM:     1234 kB</c>.</summary>
    private static long Read(string name)
    {
        var line = File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(name + ':', StringComparison.Ordinal));
        return line?.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is [_, var number, ..]
            ? 1024 * long.Parse(number, CultureInfo.InvariantCulture)
            : 0;
    }
}
