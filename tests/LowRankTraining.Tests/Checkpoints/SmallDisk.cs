using System.Diagnostics;
using Xunit;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>A file system of one megabyte, in memory.</summary>
internal sealed class SmallDisk : IDisposable
{
    private const int Bytes = 1 << 20;

    public SmallDisk()
    {
        Path = Directory.CreateTempSubdirectory("lowrank-").FullName;
        if (Run("mount", "-t", "tmpfs", "-o", $"size={Bytes}", "tmpfs", Path) != 0)
            throw new InvalidOperationException("The file system could not be mounted.");
    }

    /// <value>Why there can be none on this machine, or null.</value>
    public static string? Obstacle { get; } = FindObstacle();

    public string Path { get; }

    private string Filler => System.IO.Path.Combine(Path, "filler");

    /// <summary>Leaves as much room as is given, and no more.</summary>
    public void Fill(int left)
    {
        using var file = new FileStream(Filler, FileMode.Create);
        file.Write(new byte[new DriveInfo(Path).AvailableFreeSpace - left]);
    }

    public void Free() => File.Delete(Filler);

    /// <summary>All that lies on it, by name.</summary>
    public Dictionary<string, string> Content() => Directory.GetFiles(Path, "*", SearchOption.AllDirectories).Where(file => file != Filler)
        .ToDictionary(file => file, file => Convert.ToBase64String(File.ReadAllBytes(file)));

    public void Dispose()
    {
        Run("umount", Path);
        Directory.Delete(Path);
    }

    private static string? FindObstacle()
    {
        if (!OperatingSystem.IsLinux())
            return "A small file system is mounted on Linux only.";
        try
        {
            new SmallDisk().Dispose();
            return null;
        }
        catch (Exception failure) when (failure is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return "Mounting a small file system takes the rights of an administrator.";
        }
    }

    private static int Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}

/// <summary>A test that needs a disk that is soon full.</summary>
internal sealed class SmallDiskTheoryAttribute : TheoryAttribute
{
    public SmallDiskTheoryAttribute() => Skip = SmallDisk.Obstacle;
}
