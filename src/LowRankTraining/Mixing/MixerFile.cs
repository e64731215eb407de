using LowRankTraining.Checkpoints;
using static TorchSharp.torch;

namespace LowRankTraining.Mixing;

/// <summary>A saved mixer: what it is, then all that it remembers.</summary>
internal static class MixerFile
{
    private const string Magic = "LowRankTraining mixer";
    private const int Version = 1;

    public static void Write(string path, string layout, StateBag state) => AtomicFile.Write(path, writer =>
    {
        writer.Write(Magic);
        writer.Write(Version);
        writer.Write(layout);
        state.Write(writer);
    });

    /// <summary>The state in <paramref name="path"/>, on the CPU.</summary>
    public static StateBag Read(string path, string layout)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no saved mixer '{path}'. Check the path, or start without resuming.", path);

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        using var reader = new BinaryReader(stream);
        try
        {
            if (reader.ReadString() != Magic)
                throw new InvalidDataException($"'{path}' is not a saved mixer. Nothing was changed.");
            if (reader.ReadInt32() is not Version and var version)
                throw new InvalidDataException($"'{path}' was written in format {version}, and this version of the library reads format {Version}. Nothing was changed.");
            if (reader.ReadString() is var saved && saved != layout)
                throw new InvalidDataException($"'{path}' is of another mixer: {saved} there, {layout} here. Make the mixer as in the run that was saved. Nothing was changed.");

            return StateBagFormat.Read(reader, CPU);
        }
        catch (Exception broken) when (broken is EndOfStreamException or FormatException or OverflowException)
        {
            throw new InvalidDataException($"'{path}' is not a saved mixer, or it is damaged. Go back to an older one, or start without resuming. Nothing was changed.", broken);
        }
    }
}
