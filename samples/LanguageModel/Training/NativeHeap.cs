using System.Runtime.InteropServices;
using LowRankTraining.ByteCounting;

namespace LanguageModel.Training;

/// <summary>The heap of the C library, in which libtorch keeps tensors on the CPU.</summary>
/// <remarks>The end of glibc's heap goes back to the system as soon as it is free, and is taken again, page by page, for the next tensor. A step like the
/// one before needs all of it. So it stays, up to a gigabyte; what it holds does not grow, since the space of a tensor fits the next one of its size (see
/// <see cref="ByteCounter"/>).</remarks>
internal static class NativeHeap
{
    private const int TrimThreshold = -1, MappingThreshold = -3;   // M_TRIM_THRESHOLD, M_MMAP_THRESHOLD

    /// <summary>Keeps what is freed for the next step. Tensors of 32 MiB and more, the most that glibc lets one ask for, come from the system and go back to
    /// it. Nothing is done where tensors are not in glibc's heap.</summary>
    public static void KeepWhatIsFreed()
    {
        if (!ByteCounter.IsAvailable)
            return;

        _ = mallopt(TrimThreshold, 1 << 30);
        _ = mallopt(MappingThreshold, 1 << 25);
    }

    [DllImport("libc", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int mallopt(int parameter, int value);
}
