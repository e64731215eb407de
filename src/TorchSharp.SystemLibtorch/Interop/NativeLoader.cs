using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>Prepares the process before libtorch is loaded, and says what to do when it cannot be.</summary>
internal static partial class NativeLoader
{
#pragma warning disable CA2255 // It must run before any other type of this assembly is used: libtorch reads the environment once.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Prepare()
    {
        // Idle OpenMP threads would spin beside the program's own.
        SetUnlessGiven("OMP_WAIT_POLICY", "PASSIVE");
        // UCX, which Debian's libtorch pulls in, would take SIGSEGV away from .NET's NullReferenceException.
        SetUnlessGiven("UCX_HANDLE_ERRORS", "none");
        NativeLibrary.SetDllImportResolver(typeof(NativeLoader).Assembly, Resolve);
    }

    private static IntPtr Resolve(string name, System.Reflection.Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Native.Library) return IntPtr.Zero;
        try
        {
            var library = NativeLibrary.Load(name, assembly, path);
            UseAllProcessors(library);
            return library;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new DllNotFoundException(
                "libtorch could not be loaded. Run `./build.sh setup`: it finds or installs libtorch and compiles libSystemLibtorch. " +
                "For another libtorch, set LIBTORCH to its folder first. " + e.Message, e);
        }
    }

    /// <summary>Debian's libtorch counts processors in a way that finds a single one on some machines; what the user has set wins.</summary>
    private static unsafe void UseAllProcessors(IntPtr library)
    {
        if (Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is { Length: > 0 })
            return;

        var threads = (delegate* unmanaged<int>)NativeLibrary.GetExport(library, "lt_threads");
        var setThreads = (delegate* unmanaged<int, int>)NativeLibrary.GetExport(library, "lt_set_threads");
        if (threads() == 1)
            _ = setThreads(Environment.ProcessorCount);
    }

    private static void SetUnlessGiven(string name, string value)
    {
        // .NET's own environment is a copy that native code does not see.
        if (!OperatingSystem.IsWindows()) _ = setenv(name, value, overwrite: 0);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
