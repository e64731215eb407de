using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>Tells files from what only goes by the name of one.</summary>
internal static class FileKind
{
    // Of struct statx in Linux's linux/stat.h, which is the same on every processor.
    private const int StatusBytes = 256, ModeAt = 28;

    private const int CurrentFolder = -100, ModeWanted = 1;

    private const int KindBits = 0xF000, Regular = 0x8000, Folder = 0x4000;

    /// <summary>Whether there is something at a path that is neither file nor folder: a pipe or a device. Known on Linux, and of Windows' devices, such as
    /// NUL.</summary>
    public static bool IsSpecial(string path)
    {
        if (OperatingSystem.IsWindows())
            return IsDevice(Path.GetFullPath(path));
        if (!OperatingSystem.IsLinux() || !File.Exists(path))
            return false;

        var status = new byte[StatusBytes];
        return Status(CurrentFolder, Encoding.UTF8.GetBytes($"{path}\0"), flags: 0, ModeWanted, status) == 0
            && (BinaryPrimitives.ReadUInt16LittleEndian(status.AsSpan(ModeAt)) & KindBits) is not (Regular or Folder);
    }

    /// <summary>Whether a full path of Windows is that of a device. A file's can also begin with <c>\\?\</c>.</summary>
    internal static bool IsDevice(string fullPath) => fullPath.StartsWith(@"\\.\", StringComparison.Ordinal);

    [DllImport("libc", EntryPoint = "statx"), DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Status(int folder, byte[] path, int flags, uint mask, byte[] status);
}
