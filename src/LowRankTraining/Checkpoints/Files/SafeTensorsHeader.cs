using System.Buffers.Binary;
using System.Text.Json;
using LowRankTraining.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>The header of a safetensors file: which tensors it holds and where, and texts beside them.</summary>
/// <remarks>A file of this library is sealed: its metadata begin with the checksum of the header (<see cref="HeaderChecksum"/>). The header holds the checksum
/// of every tensor, so this one is that of the whole file.</remarks>
internal sealed class SafeTensorsHeader
{
    public const string MetadataKey = "__metadata__", ManifestKey = "manifest";

    /// <summary>Bytes of a header, at the most: what safetensors itself reads.</summary>
    public const long Longest = 100_000_000;

    /// <summary>What earlier formats of files begin with: the length of a text, and the text. State in a stream began with 1 and a text.</summary>
    private static readonly byte[][] EarlierFormats = ["\u001aLowRank"u8.ToArray(), "\u0015LowRank"u8.ToArray()];

    /// <exception cref="InvalidDataException">It is damaged.</exception>
    private SafeTensorsHeader(byte[] bytes) => Tensors = new(bytes);

    public TensorIndex Tensors { get; }

    /// <value>Texts beside the tensors, made when they are asked for.</value>
    public IReadOnlyDictionary<string, string> Metadata => field ??= ReadMetadata();

    /// <value>What the library has written about the file, or null where another program wrote it.</value>
    public SavedManifest? Manifest { get; private set; }

    /// <summary>Reads a header and checks it, against its own checksum where it has one.</summary>
    /// <param name="stream">At the length of the header.</param>
    /// <param name="available">Bytes that follow from here on; null where that is not known.</param>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    /// <exception cref="Exception">What reading damaged JSON throws: see <see cref="IsDamage"/>.</exception>
    public static SafeTensorsHeader Read(Stream stream, long? available)
    {
        var limit = available ?? (stream.CanSeek ? stream.Length - stream.Position : null);
        var bytes = ReadFramed(stream, limit);

        // Before anything is made of what it says.
        var isSealed = HeaderChecksum.Begins(bytes);
        if (isSealed)
            HeaderChecksum.Require(bytes);
        var header = new SafeTensorsHeader(bytes);

        // Seal or manifest is enough to know a file of this library: the other may be what is damaged.
        var manifest = header.ReadManifest();
        if (!isSealed && CheckpointManifest.MayBe(manifest.Span))
            throw HeaderChecksum.NotAsWritten();
        if (isSealed && !manifest.IsEmpty)
        {
            header.Manifest = new(manifest);
            header.Tensors.TakeChecksums(header.Manifest.Checksums);
        }

        header.Tensors.RequireGapless(limit - sizeof(long) - bytes.Length, isAll: available is not null);
        return header;
    }

    /// <summary>Whether an exception says that what was read is not as it should be.</summary>
    public static bool IsDamage(Exception failure) => failure
        is InvalidDataException or JsonException or InvalidOperationException or FormatException or EndOfStreamException or KeyNotFoundException
        or OverflowException or IndexOutOfRangeException;

    private static byte[] ReadFramed(Stream stream, long? available)
    {
        var start = new byte[sizeof(long)];
        if (stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) is var first && first < start.Length)
            throw new InvalidDataException(first == 0 ? "it is empty." : $"it is not complete: it has {first} bytes.");
        var length = BinaryPrimitives.ReadInt64LittleEndian(start);
        if (EarlierFormats.Any(format => start.AsSpan().SequenceEqual(format)) || length > Longest && (int)length == 1)
            throw new InvalidDataException("an earlier version of LowRankTraining wrote it, in a format that this version does not read. "
                + "Finish that run with the version that it was started with.");

        if (length < 2 || length > Longest)
            throw new InvalidDataException(FormattableString.Invariant(
                $"it says that its header has {length} bytes, and a header has between 2 and {Longest}."));
        if (length > available - sizeof(long))
            throw new InvalidDataException($"it is not complete: it says that its header has {length} bytes, and {available - sizeof(long)} are there.");

        if (available is null)
            return ReadInBlocks(stream, (int)length);
        var header = new byte[length];
        stream.ReadExactly(header);
        return header;
    }

    /// <summary>Takes memory as bytes come: a damaged length must not decide.</summary>
    private static byte[] ReadInBlocks(Stream stream, int length)
    {
        var (header, block) = (new MemoryStream(), new byte[Math.Min(length, 1 << 16)]);
        while (header.Length < length)
        {
            var part = block.AsSpan(0, (int)Math.Min(block.Length, length - header.Length));
            stream.ReadExactly(part);
            header.Write(part);
        }

        return header.ToArray();
    }

    /// <summary>Checks that texts are texts, and that each has a name of its own.</summary>
    /// <returns>The manifest in UTF-8; nothing where there is none.</returns>
    private ReadOnlyMemory<byte> ReadManifest()
    {
        if (Tensors.Texts is not { } texts)
            return default;
        if (texts.Type != JsonTokenType.StartObject)
            throw new InvalidDataException("its metadata are no JSON object.");
        if (JsonKeys.Repeated(texts.Json, MetadataKey) is { } repeated)
            throw TensorIndex.Twice(repeated);

        ReadOnlyMemory<byte> manifest = default;
        var room = Array.Empty<byte>();
        foreach (var (key, value) in texts.Entries)
            if (value.Type != JsonTokenType.Null && value.Utf8(ref room) is var text && key.Is(ManifestKey))
                (manifest, room) = (text, []);
        return manifest;
    }

    private Dictionary<string, string> ReadMetadata()
    {
        var texts = new Dictionary<string, string>();
        foreach (var (key, value) in Tensors.Texts?.Entries ?? default)
            texts.Add(key.Text, value.Type == JsonTokenType.Null ? "" : value.Text);
        return texts;
    }
}
