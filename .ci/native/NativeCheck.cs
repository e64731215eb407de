using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

/// <summary>Loads TorchSharp's native library when the program starts, and ends the program with one line where that fails.</summary>
/// <remarks>Compiled into every program and test project of the repository. TorchSharp itself would throw a TypeInitializationException wherever it is first used.</remarks>
internal static class NativeCheck
{
    private const string Name = "LibTorchSharp";

    [ModuleInitializer]
    internal static void Load()
    {
        try
        {
            torch.InitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception failure)
        {
            var reason = Reason() ?? failure.GetBaseException().Message.ReplaceLineEndings(" ");
            Console.Error.WriteLine($"TorchSharp's native library cannot be loaded: {reason}. {Advice(reason)} More: docs/troubleshooting.md");
            Environment.Exit(1);
        }
    }

    /// <summary>What the loader of the system says, of the file that is there; it also says, for every place it looked at, that the file is not there.</summary>
    private static string? Reason()
    {
        try
        {
            NativeLibrary.Load(Name, typeof(torch).Assembly, null);
            return null;
        }
        catch (Exception failure) when (failure is DllNotFoundException or BadImageFormatException)
        {
            var lines = failure.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            return (lines.FirstOrDefault(line => line.Contains(Name) && !IsAbsence(line)) ?? lines.FirstOrDefault(line => line.Contains("lib")) ?? lines[0]).TrimEnd('.');
        }

        static bool IsAbsence(string line) => line.Contains($"{Name}.so: cannot open shared object file") || line.Contains($"{Name}: cannot open shared object file");
    }

    private static string Advice(string reason) => reason switch
    {
        _ when reason.Contains("GLIBCXX") => "This system's libstdc++ is older than GCC 13's, and the program was built on a newer one: build it here, or install a libstdc++ of GCC 13 or newer.",
        _ when reason.Contains("GLIBC_") => "This system's C library is too old: use Debian 12, Ubuntu 22.04, RHEL 9 or newer.",
        _ when reason.Contains("file too short") || reason.Contains("ELF") || reason.Contains("Bad") || reason.Contains("corrupt") =>
            "The file is damaged: delete the folders artifacts and, in the NuGet package cache, torchsharp and libtorch-cpu-*, then build again.",
        _ when RuntimeInformation.IsOSPlatform(OSPlatform.Windows) => "Install the Visual C++ redistributable (x64) from https://aka.ms/vs/17/release/vc_redist.x64.exe.",
        _ when reason.Contains("musl") => "libtorch needs glibc: Alpine and other systems on musl cannot run it.",
        _ when reason.Contains("cannot open shared object file") => "Install the library that is named here with the system's package manager.",
        _ => "Check that the libtorch of this system and processor is in the program's folder.",
    };
}
