using System.Runtime.InteropServices;

namespace LanguageModel.Training;

/// <summary>The heap of the C library, in which libtorch keeps tensors on the CPU.</summary>
/// <remarks>glibc keeps what is freed between blocks in use: a process that makes and frees tensors of many sizes grows for hundreds of steps, to several times
/// what its tensors ever took. <c>malloc_trim</c> gives all pages that nothing lies in back to the system; what is given back has to be taken again.</remarks>
internal sealed class NativeHeap
{
    /// <summary>A process that has grown by a quarter holds memory that no step needs.</summary>
    private const double MostGrowth = 1.25;

    private bool isGlibc = OperatingSystem.IsLinux();
    private long smallest = long.MaxValue;

    /// <summary>Gives free memory back, at the end of a step after which the process is much larger than it was after others.</summary>
    public void GiveBack()
    {
        if (!isGlibc)
            return;

        var now = Environment.WorkingSet;
        smallest = Math.Min(smallest, now);
        if (now <= MostGrowth * smallest)
            return;

        try
        {
            _ = malloc_trim(0);
        }
        catch (Exception missing) when (missing is DllNotFoundException or EntryPointNotFoundException)
        {
            isGlibc = false;
        }
    }

    [DllImport("libc", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int malloc_trim(nuint pad);
}
