using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace LowRankTraining.Checkpoints;

/// <summary>Files that are there as a whole or not at all, also after a process is killed or a machine loses power.</summary>
internal static class AtomicFile
{
    private const string Ending = ".tmp";

    /// <summary>Writes beside the file, which is replaced in one operation when the new one is complete and on the disk; so is its name when this
    /// returns. What writers of the same file have left that were killed is removed.</summary>
    public static void Write(string path, Action<Stream> write) => Write((path, write));

    /// <summary>Writes several files of one folder: none is replaced before all of them are complete and on the disk.</summary>
    /// <remarks>A link stays one, and the file that it leads to is replaced. A new file has the permissions of the one whose place it takes. What is no file,
    /// such as a pipe or /dev/null, is written to as it is.</remarks>
    public static void Write(params (string Path, Action<Stream> Write)[] files)
    {
        if (files is [var only] && FileKind.IsSpecial(only.Path))
            WriteInto(only.Path, only.Write);
        else
            Replace([.. files.Select(file => (TargetOf(file.Path), file.Write))]);
    }

    private static void WriteInto(string path, Action<Stream> write)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        write(stream);
    }

    /// <summary>Where a path leads to in the end.</summary>
    private static string TargetOf(string path) =>
        new FileInfo(path) is { LinkTarget: not null } link ? link.ResolveLinkTarget(returnFinalTarget: true)!.FullName : path;

    private static void Replace((string Path, Action<Stream> Write)[] files)
    {
        var unfinished = new List<(string Path, FileStream Stream)>();
        try
        {
            foreach (var (path, write) in files)
            {
                RemoveOrphans(path);

                // Open until it has its name, so that another writer can tell it from an orphan.
                var beside = $"{path}.{Guid.NewGuid():N}{Ending}";
                var stream = new FileStream(beside, FileMode.CreateNew, FileAccess.Write, FileShare.Delete, 1 << 16);
                unfinished.Add((beside, stream));
                if (!OperatingSystem.IsWindows() && File.Exists(path))
                    File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(path));
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            foreach (var (file, (beside, _)) in files.Zip(unfinished))
                File.Move(beside, file.Path, overwrite: true);
        }
        finally
        {
            foreach (var (beside, stream) in unfinished)
            {
                stream.Dispose();
                File.Delete(beside);
            }
        }

        FlushNames(FolderOf(files[0].Path));
    }

    private static string FolderOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path))!;

    private static void RemoveOrphans(string path)
    {
        var name = Path.GetFileName(path);
        foreach (var file in Directory.EnumerateFiles(FolderOf(path), $"*{Ending}").Where(file => IsUnfinished(Path.GetFileName(file), name)).ToArray())
            RemoveIfNobodyWrites(file);
    }

    private static bool IsUnfinished(string file, string name) =>
        file.Length == name.Length + 33 + Ending.Length && file.StartsWith($"{name}.", StringComparison.Ordinal)
        && file.EndsWith(Ending, StringComparison.Ordinal) && Guid.TryParseExact(file[(name.Length + 1)..^Ending.Length], "N", out _);

    private static void RemoveIfNobodyWrites(string file)
    {
        try
        {
            // Fails while a writer has it open.
            using (new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose)) { }
        }
        catch (Exception inUse) when (inUse is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>A new name is in its folder for good only when the folder is on the disk as well. Windows sees to that itself.</summary>
    private static void FlushNames(string folder)
    {
        if (OperatingSystem.IsWindows())
            return;

        using var directory = OpenFolder(Encoding.UTF8.GetBytes($"{folder}\0"), flags: 0);
        if (!directory.IsInvalid)
            _ = Flush(directory);
    }

    [DllImport("libc", EntryPoint = "open"), DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern SafeFileHandle OpenFolder(byte[] path, int flags);

    /// <summary>Without effect on file systems that cannot do it for folders.</summary>
    [DllImport("libc", EntryPoint = "fsync"), DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Flush(SafeFileHandle folder);
}
