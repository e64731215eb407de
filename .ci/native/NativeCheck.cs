using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

/// <summary>Loads TorchSharp's native library when a program starts, and ends the program with one line where that fails.</summary>
/// <remarks>
/// Compiled into every program and test project of the repository. TorchSharp itself throws a TypeInitializationException wherever it is first used,
/// after it has printed what it tried and copied the package's natives beside the program. A file that was cut off would end the process by a signal.
/// </remarks>
internal static class NativeCheck
{
    private const string Name = "LibTorchSharp", Absence = $"{Name} is not in the program's folder";

    [ModuleInitializer]
    internal static void Load()
    {
        if ((Damage() ?? Refusal()) is not { } reason)
            return;
        Console.Error.WriteLine($"TorchSharp's native library cannot be loaded: {reason.TrimEnd('.')}. {Advice(reason)} See docs/troubleshooting.md.");
        Environment.Exit(1);
    }

    private static string[] Folders =>
        (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    private static string? Damage()
    {
        var natives = Array.Find(Folders, folder => File.Exists(Path.Combine(folder, $"lib{Name}.so")));
        var damaged = natives is null ? null : Directory.EnumerateFiles(natives, "lib*.so*").FirstOrDefault(file => !IsWhole(file));
        return damaged is null ? null : $"{damaged} is damaged";
    }

    /// <summary>The table of sections is the last thing in a shared library.</summary>
    private static bool IsWhole(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> header = stackalloc byte[64];
        return file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length
            && header[..4].SequenceEqual("\x7f"u8 + "ELF"u8)
            && BinaryPrimitives.ReadInt64LittleEndian(header[0x28..])
                + BinaryPrimitives.ReadUInt16LittleEndian(header[0x3a..]) * BinaryPrimitives.ReadUInt16LittleEndian(header[0x3c..]) <= file.Length;
    }

    /// <summary>Why the system does not load it.</summary>
    private static string? Refusal()
    {
        try
        {
            // As TorchSharp does.
            if (OperatingSystem.IsWindows())
                NativeLibrary.TryLoad("torch_cpu", typeof(torch).Assembly, null, out _);
            NativeLibrary.Load(Name, typeof(torch).Assembly, null);
            return null;
        }
        catch (Exception failure)
        {
            return OperatingSystem.IsWindows() ? ReasonOnWindows(failure, Folders) : ReasonOf(failure);
        }
    }

    /// <summary>The loader of Unix has one line for each place that was looked at, most of which say that nothing is there.</summary>
    private static string ReasonOf(Exception failure) =>
        failure.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Skip(1).FirstOrDefault(line =>
            !line.Contains($"{Name}.so: cannot open") && !line.Contains($"{Name}: cannot open")
            && !line.Contains($"{Name}.dylib' (no such file)") && !line.Contains($"{Name}' (no such file)"))
        ?? Absence;

    /// <summary>The loader of Windows says that something is not there, and not what.</summary>
    internal static string ReasonOnWindows(Exception failure, string[] folders)
    {
        return !IsThere($"{Name}.dll") ? Absence
            : !IsThere("torch_cpu.dll") ? "torch_cpu.dll of libtorch is missing"
            : failure is BadImageFormatException ? "one of its files is damaged, or made for another processor"
            : "a library that it needs is missing";

        bool IsThere(string file) => Array.Exists(folders, folder => File.Exists(Path.Combine(folder, file)));
    }

    internal static string Advice(string reason) => reason switch
    {
        _ when reason.Contains("damaged") =>
            "Delete the folder artifacts and, in the NuGet package cache, the folders torchsharp and libtorch-*, then build again.",
        _ when reason.Contains("GLIBCXX") => "libstdc++ is older than GCC 13's: build on this system, which mends the library, or install a newer libstdc++.",
        _ when reason.Contains("GLIBC_") => "The C library is too old: Debian 12, Ubuntu 22.04, RHEL 9 and what is newer will do.",
        _ when reason.Contains("musl") => "libtorch needs glibc, which Alpine does not have: use a system or container image with glibc.",
        _ when reason.Contains("libtorch") || reason.Contains("libc10") =>
            "libtorch is missing: build again, or reference TorchSharp-cpu or TorchSharp-cuda-* in the program.",
        _ when reason.Contains("cannot open shared object file") => "Install the package of your system that has this library.",
        _ when reason.Contains("it needs") => "Install the Visual C++ redistributable: https://aka.ms/vs/17/release/vc_redist.x64.exe.",
        _ => "TorchSharp runs on linux-x64 (glibc), win-x64, win-arm64 and osx-arm64, with a package libtorch-* or TorchSharp-* for that system.",
    };
}
