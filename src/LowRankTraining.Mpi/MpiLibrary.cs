using System.Runtime.InteropServices;

namespace LowRankTraining.Mpi;

/// <summary>Finds the MPI library of the machine.</summary>
/// <remarks>MPI.NET is compiled for MS-MPI, which descends from MPICH and has its handles: on Linux every library of the MPICH ABI stands in (mpich of Debian
/// and Ubuntu, Intel MPI, MVAPICH, Cray MPICH).</remarks>
internal static partial class MpiLibrary
{
    private const string Imported = "msmpi.dll";

    /// <summary>In the order in which they are tried; the first two are the MPICH ABI's names.</summary>
    private static readonly string[] OnUnix = ["libmpich.so.12", "libmpi.so.12", "libmpich.dylib", "libmpi.12.dylib"];

    private static readonly Lazy<nint> Handle = new(Load);

    /// <summary>Loads the library, so that calls of MPI.NET reach it.</summary>
    /// <exception cref="DllNotFoundException">There is none; with what to install.</exception>
    public static void Require() => _ = Handle.Value;

    private static nint Load()
    {
        // UCX, over which Debian's MPICH works, would take the signals by which .NET knows a null reference, and end the process.
        if (OperatingSystem.IsLinux())
            _ = SetVariable("UCX_HANDLE_ERRORS", "none", overwrite: 0);

        var handle = Find(OperatingSystem.IsWindows() ? [Imported] : OnUnix);
        if (!OperatingSystem.IsWindows())
            NativeLibrary.SetDllImportResolver(typeof(MPI.Communicator).Assembly, (name, _, _) => name == Imported ? handle : 0);
        return handle;
    }

    /// <summary>Sets a variable for native libraries: those that .NET sets are its own.</summary>
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);

    /// <summary>Loads the first of some libraries that is there.</summary>
    /// <exception cref="DllNotFoundException">There is none; with what to install.</exception>
    internal static nint Find(string[] names)
    {
        foreach (var name in names)
            if (NativeLibrary.TryLoad(name, out var handle))
                return handle;

        throw new DllNotFoundException(OperatingSystem.IsWindows()
            ? "Several processes need MS-MPI, and msmpi.dll is not installed: run msmpisetup.exe from https://aka.ms/msmpi, "
                + "then start with mpiexec -n 4 PROGRAM."
            : "Several processes need an MPI library with the ABI of MPICH, and neither libmpich.so.12 nor libmpi.so.12 is installed: "
                + "apt-get install mpich (Debian, Ubuntu) or dnf install mpich (Fedora, RHEL), then start with mpiexec.mpich -n 4 PROGRAM. "
                + "Open MPI does not fit: its handles are pointers.");
    }
}
