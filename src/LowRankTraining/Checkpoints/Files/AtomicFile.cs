namespace LowRankTraining.Checkpoints;

/// <summary>Files that are there as a whole or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the file, which is replaced in one operation when the new one is complete and on the disk.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        var unfinished = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(unfinished, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(unfinished, path, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }
    }
}
