using System.Buffers.Binary;
using System.Text.Json;

namespace LowRankTraining.Checkpoints;

/// <summary>The header of a safetensors file: which tensors it holds and where, and texts beside them.</summary>
/// <remarks>A file of this library is sealed: its metadata begin with the checksum of the header (<see cref="HeaderChecksum"/>). The header holds the checksum
/// of every tensor, so this one is that of the whole file.</remarks>
internal sealed class SafeTensorsHeader
{
    public const string MetadataKey = "__metadata__", ManifestKey = "manifest";

    private const long Longest = 100_000_000;
    private const int MostDimensions = 64;

    /// <summary>What earlier formats of files begin with: the length of a text, and the text. State in a stream began with 1 and a text.</summary>
    private static readonly byte[][] EarlierFormats = ["\u001aLowRank"u8.ToArray(), "\u0015LowRank"u8.ToArray()];

    private readonly Dictionary<string, Entry> _entries = [];
    private readonly Dictionary<string, string> _metadata = [];

    private SafeTensorsHeader() { }

    /// <summary>Where a tensor is, counted from the end of the header.</summary>
    /// <param name="Dtype">safetensors' name of its dtype.</param>
    /// <param name="Shape">Its shape.</param>
    /// <param name="Begin">Its first byte.</param>
    /// <param name="End">The byte behind it.</param>
    public sealed record Entry(string Dtype, long[] Shape, long Begin, long End)
    {
        /// <value>Its dtype, null where TorchSharp has none.</value>
        public ScalarType? Type => SafeTensorsTypes.TypeOf(Dtype);
    }

    /// <value>The tensors by name, in the order of the header.</value>
    public IReadOnlyDictionary<string, Entry> Entries => _entries;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <value>What the library has written about the file, or null where another program wrote it.</value>
    public CheckpointManifest? Manifest { get; private set; }

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
        var header = new SafeTensorsHeader();
        using var json = JsonDocument.Parse(bytes);
        foreach (var item in json.RootElement.EnumerateObject())
            header.Add(item);

        // Seal or manifest is enough to know a file of this library: the other may be what is damaged.
        var manifest = header._metadata.GetValueOrDefault(ManifestKey);
        if (!isSealed && CheckpointManifest.MayBe(manifest))
            throw HeaderChecksum.NotAsWritten();
        if (isSealed && manifest is not null)
        {
            header.Manifest = CheckpointManifest.Parse(manifest);
            header.Manifest.RequireChecksumsOf(header._entries.Keys);
        }

        header.RequireGapless(limit - sizeof(long) - bytes.Length, isAll: available is not null);
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
            throw new InvalidDataException($"it says that its header has {length} bytes, and a header has between 2 and {Longest}.");
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

    private void Add(JsonProperty item)
    {
        if (item.NameEquals(MetadataKey))
            foreach (var text in item.Value.EnumerateObject())
                AddText(text.Name, text.Value.GetString() ?? "");
        else if (item.Name is var name && !_entries.TryAdd(name, EntryOf(name, item.Value)))
            throw new InvalidDataException($"it holds '{Short(name)}' twice.");
    }

    private void AddText(string name, string text)
    {
        if (!_metadata.TryAdd(name, text))
            throw new InvalidDataException($"its metadata hold '{Short(name)}' twice.");
    }

    private static Entry EntryOf(string name, JsonElement item)
    {
        if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("dtype", out var type) || !item.TryGetProperty("shape", out var sizes)
            || !item.TryGetProperty("data_offsets", out var offsets))
            throw new InvalidDataException($"'{Short(name)}' is no tensor: it needs a dtype, a shape and data_offsets.");
        var (dtype, bits) = SafeTensorsTypes.Bits.FirstOrDefault(known => type.ValueEquals(known.Key));
        if (dtype is null)
            throw new InvalidDataException($"'{Short(name)}' is of dtype {Short(type.ToString())}; known are {string.Join(", ", SafeTensorsTypes.Bits.Keys)}.");
        if (sizes.GetArrayLength() > MostDimensions)
            throw new InvalidDataException($"'{Short(name)}' has {sizes.GetArrayLength()} dimensions, and a tensor has {MostDimensions} at the most.");

        long[] shape = [.. sizes.EnumerateArray().Select(size => size.GetInt64())];
        var entry = new Entry(dtype, shape, offsets[0].GetInt64(), offsets[1].GetInt64());
        var all = shape.Aggregate((long)bits, (product, size) => checked(product * size));
        if (all % 8 != 0)
            throw new InvalidDataException($"'{Short(name)}' takes {all} bits, which is no number of bytes.");
        if (Array.Exists(shape, size => size < 0) || entry.Begin < 0 || entry.End - entry.Begin != all / 8)
            throw new InvalidDataException($"'{Short(name)}' should take {all / 8} bytes and takes {entry.End - entry.Begin}.");
        return entry;
    }

    private void RequireGapless(long? available, bool isAll)
    {
        var end = 0L;
        foreach (var (name, entry) in _entries.OrderBy(pair => pair.Value.Begin).ThenBy(pair => pair.Value.End))
        {
            if (entry.Begin != end)
                throw new InvalidDataException($"'{Short(name)}' begins at byte {entry.Begin} of the values, where {end} was expected.");
            end = entry.End;
            if (end > available)
                throw new InvalidDataException(
                    $"it is not complete: '{Short(name)}' would take {end - entry.Begin} bytes, and {available - entry.Begin} are there.");
        }

        if (isAll && end != available)
            throw new InvalidDataException($"its tensors take {end} bytes, and {available} are there.");
    }

    /// <summary>A text of a damaged file can be as long as the file.</summary>
    private static string Short(string text) => text.Length > 200 ? $"{text[..200]}..." : text;
}
