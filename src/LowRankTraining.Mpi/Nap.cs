using System.Runtime.InteropServices;

namespace LowRankTraining.Mpi;

/// <summary>Waits for what comes soon, or in a while: first by spinning, then asleep.</summary>
/// <remarks>A message of MPI goes on only when somebody looks after it, several times from its first byte to its last, and each time it may have waited for a
/// nap. .NET sleeps for a millisecond at least, in which 1 Gbit/s carries 125 kB: on Unix naps are shorter.</remarks>
internal partial struct Nap
{
    private const uint Microseconds = 200;

    private SpinWait _spin;

    /// <summary>Lets others have the core for a while.</summary>
    public void Take()
    {
        if (_spin.NextSpinWillYield && !OperatingSystem.IsWindows())
            _ = Sleep(Microseconds);
        else
            _spin.SpinOnce();
    }

    [LibraryImport("libc", EntryPoint = "usleep")]
    private static partial int Sleep(uint microseconds);
}
