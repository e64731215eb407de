using System.Runtime.InteropServices;

namespace LanguageModel.Training;

/// <summary>The heap of the C library, in which libtorch keeps tensors on the CPU.</summary>
/// <remarks>glibc keeps what is freed between blocks in use: a process that makes and frees tensors of many sizes grows for hundreds of steps, to several times
/// what its tensors ever took. <c>malloc_trim</c> gives all pages that nothing lies in back to the system.</remarks>
internal static class NativeHeap
{
    private const int Every = 10;

    private static bool isGlibc = OperatingSystem.IsLinux();

    /// <summary>Gives free memory back, once in a few steps: what is given back has to be taken again.</summary>
    public static void GiveBack(long step)
    {
        if (!isGlibc || step % Every != 0)
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
