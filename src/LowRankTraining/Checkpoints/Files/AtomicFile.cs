using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace LowRankTraining.Checkpoints;

/// <summary>Files that are there as a whole or not at all, also after a process is killed or a machine loses power.</summary>
internal static class AtomicFile
{
    private const string Ending = ".tmp";

    /// <summary>Bytes of a file's name, and letters of what a name is given besides while the file is written.</summary>
    private const int LongestName = 255, Added = 33;

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
            ReplaceOrTell([.. files.Select(file => (TargetOf(file.Path), file.Write))]);
    }

    /// <exception cref="IOException">There is no room, or the disk fails. What was there is as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">File or folder may not be written; or, on Windows, another program has the file open.</exception>
    /// <exception cref="ArgumentException">A path is that of a folder.</exception>
    private static void ReplaceOrTell((string Path, Action<Stream> Write)[] files)
    {
        if (Array.Find(files, file => Directory.Exists(file.Path)).Path is { } folder)
            throw new ArgumentException($"'{folder}' is a folder, and a file of that name is to be made. Nothing was saved.");
        try
        {
            Replace(files);
        }
        catch (Exception refusal) when (refusal is UnauthorizedAccessException || FileInUse.Is(refusal, OperatingSystem.IsWindows()))
        {
            throw new UnauthorizedAccessException($"'{files[0].Path}' was not saved: it or its folder may not be written"
                + $"{(OperatingSystem.IsWindows() ? ", or a program has it open" : "")}. Change that, or save elsewhere.", refusal);
        }
        catch (IOException failure) when (failure.GetType() == typeof(IOException))
        {
            throw new IOException(
                $"'{files[0].Path}' was not saved: {failure.Message}. What was there is as it was. Make room, or save on another disk.", failure);
        }
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
                var beside = Path.Combine(FolderOf(path), $"{NameBeside(path)}.{Guid.NewGuid():N}{Ending}");
                var stream = new FileStream(beside, FileMode.CreateNew, FileAccess.Write, FileShare.Read | FileShare.Delete, 1 << 16);
                unfinished.Add((beside, stream));
                if (!OperatingSystem.IsWindows() && File.Exists(path))
                    File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(path));
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            foreach (var (file, (beside, _)) in files.Zip(unfinished))
                Rename(beside, file.Path);
        }
        finally
        {
            foreach (var (beside, stream) in unfinished)
                Remove(beside, stream);
        }

        FlushNames(FolderOf(files[0].Path));
    }

    private static void Rename(string beside, string path) => FileInUse.Outlast(() =>
    {
        File.Move(beside, path, overwrite: true);
        return path;
    });

    /// <summary>Removes what has not come to have its name, now or at the next save. What is still to be written of it finds no room either, where there was
    /// none.</summary>
    private static void Remove(string beside, FileStream stream)
    {
        Try(() => File.Delete(beside));
        Try(stream.Dispose);
    }

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static string FolderOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path))!;

    /// <summary>What names of unfinished files begin with: that of the file, or its checksum where there is no room for more.</summary>
    private static string NameBeside(string path)
    {
        var name = Path.GetFileName(path);
        var bytes = Encoding.UTF8.GetBytes(name);
        return bytes.Length + Added + Ending.Length <= LongestName ? name : Convert.ToHexString(SHA256.HashData(bytes));
    }

    private static void RemoveOrphans(string path)
    {
        var name = NameBeside(path);
        foreach (var file in Directory.EnumerateFiles(FolderOf(path), $"*{Ending}").Where(file => IsUnfinished(Path.GetFileName(file), name)).ToArray())
            RemoveIfNobodyWrites(file);
    }

    private static bool IsUnfinished(string file, string name) =>
        file.Length == name.Length + Added + Ending.Length && file.StartsWith($"{name}.", StringComparison.Ordinal)
        && file.EndsWith(Ending, StringComparison.Ordinal) && Guid.TryParseExact(file[(name.Length + 1)..^Ending.Length], "N", out _);

    /// <summary>A file that a writer has open cannot be opened by another.</summary>
    private static void RemoveIfNobodyWrites(string file) =>
        Try(() => new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose());

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
