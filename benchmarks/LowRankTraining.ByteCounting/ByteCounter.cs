using System.Runtime.InteropServices;
using TorchSharp;

namespace LowRankTraining.ByteCounting;

/// <summary>Bytes of CPU tensor storage, counted exactly as they were asked for, in the whole process.</summary>
/// <remarks>
/// libtorch takes the memory of every CPU tensor by <c>posix_memalign</c> and gives it back by <c>free</c>, both called from libc10. The first use of this
/// class redirects these two calls of that one library to functions that count, and that ask the heap in a way in which it finds freed memory again. Tensors
/// from before are not counted, neither now nor when they are freed. Nothing is redirected where that cannot be done: see <see cref="Absence"/>.
/// </remarks>
public static class ByteCounter
{
    private const string Library = "libc10.so";

    /// <value>Why nothing is counted, in a sentence; null where bytes are counted.</value>
    public static string? Absence { get; } = Install();

    /// <value>Whether bytes are counted.</value>
    public static bool IsAvailable => Absence is null;

    /// <value>Bytes in use now, of tensors that were made since the first use of this class.</value>
    public static long Live => CountedMemory.Live;

    /// <value>The most bytes in use at once since the last reset.</value>
    public static long Peak => CountedMemory.Peak;

    /// <summary>Makes the bytes in use now the peak.</summary>
    public static void ResetPeak() => CountedMemory.ResetPeak();

    private static unsafe string? Install()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return "Bytes of tensors are counted on Linux (x64) only.";

        try
        {
            torch.InitializeDeviceType(DeviceType.CPU);
            var system = NativeLibrary.GetMainProgramHandle();
            if (Function("malloc") != NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "malloc"))
                return "Bytes of tensors are counted in the heap of the C library only: another one has been loaded before it.";
            CountedMemory.Use(Function("malloc"), Function("free"));

            var imports = ImportTable.Of(Library);
            var allocating = imports.Redirect("posix_memalign", CountedMemory.Allocate);
            var freeing = imports.Redirect("free", CountedMemory.Free);
            AppDomain.CurrentDomain.ProcessExit += (_, _) => Restore();

            if (IsSeen())
                return null;
            Restore();
            return $"This libtorch does not allocate by posix_memalign in {Library}, so its bytes cannot be counted.";

            nint Function(string name) => NativeLibrary.GetExport(system, name);

            // Code that runs while the process ends, after the runtime, must find the functions of the system again.
            void Restore()
            {
                allocating.Undo();
                freeing.Undo();
            }
        }
        catch (Exception failure) when (failure is DllNotFoundException or EntryPointNotFoundException or InvalidOperationException)
        {
            return $"Bytes of tensors cannot be counted: {failure.Message}";
        }
    }

    private static bool IsSeen()
    {
        var before = CountedMemory.Allocations;
        using var probe = torch.empty(1, device: torch.CPU);
        return CountedMemory.Allocations > before;
    }
}
