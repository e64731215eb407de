namespace LowRankTraining.Checkpoints;

/// <summary>Files that this library wrote, of one kind, and what to do where one is damaged.</summary>
internal static class SavedFile
{
    /// <summary>Makes the folder that files are to be saved in, where it is not there.</summary>
    /// <exception cref="ArgumentException">There is a file of that name.</exception>
    public static void MakeFolder(string folder)
    {
        if (File.Exists(folder))
            throw new ArgumentException($"'{folder}' is a file, and a folder is wanted, in which files are made. Nothing was saved.", nameof(folder));
        Directory.CreateDirectory(folder);
    }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or holds something else.</exception>
    public static SafeTensorsFile Open(string path, string kind) => Advise(() =>
    {
        var file = SafeTensorsFile.Open(path);
        if (file.Manifest?.Kind.Is(kind) == true)
            return file;

        file.Dispose();
        throw new InvalidDataException(file.Manifest is { } other
            ? $"'{path}' holds the state of another kind: '{other.Kind.Short()}', and not '{kind}'."
            : $"'{path}' is a safetensors file without the manifest of LowRankTraining: it was not saved by this library.");
    });

    /// <summary>Reads, and says what to do when what is read is damaged.</summary>
    public static T Advise<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception damage) when (SafeTensorsHeader.IsDamage(damage))
        {
            throw new InvalidDataException($"{damage.Message} Go back to an older file, or start without resuming. Nothing was changed.", damage);
        }
    }
}
