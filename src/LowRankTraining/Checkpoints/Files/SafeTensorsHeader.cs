using System.Buffers.Binary;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>The header of a safetensors file: which tensors it holds and where, and texts beside them.</summary>
/// <remarks>A file of this library is sealed: its metadata begin with the checksum of the header, which is taken with 16 zeros in its own place. The header
/// holds the checksum of every tensor, so this one is that of the whole file.</remarks>
internal sealed class SafeTensorsHeader
{
    private const string MetadataKey = "__metadata__", ManifestKey = "manifest", ChecksumKey = "checksum", Unsealed = "0000000000000000";
    private const long Longest = 100_000_000;
    private const int MostDimensions = 64;

    private static readonly byte[] SealPrefix = Encoding.UTF8.GetBytes($$"""{"{{MetadataKey}}":{"{{ChecksumKey}}":" """.TrimEnd());

    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What earlier formats of files begin with: the length of a text, and the text. State in a stream began with 1 and a text.</summary>
    private static readonly byte[][] EarlierFormats = ["\u001aLowRank"u8.ToArray(), "\u0015LowRank"u8.ToArray()];

    private static readonly Dictionary<string, ScalarType> Types = new()
    {
        ["F64"] = ScalarType.Float64,
        ["F32"] = ScalarType.Float32,
        ["F16"] = ScalarType.Float16,
        ["BF16"] = ScalarType.BFloat16,
        ["I64"] = ScalarType.Int64,
        ["I32"] = ScalarType.Int32,
        ["I16"] = ScalarType.Int16,
        ["I8"] = ScalarType.Int8,
        ["U8"] = ScalarType.Byte,
        ["BOOL"] = ScalarType.Bool,
        ["C64"] = ScalarType.ComplexFloat32,
    };

    /// <summary>Bits a number of the dtypes that safetensors has and TorchSharp does not. Tensors of them can stand in a file, and are not read.</summary>
    private static readonly Dictionary<string, int> ForeignTypes = new()
    {
        ["F8_E4M3"] = 8, ["F8_E5M2"] = 8, ["F8_E8M0"] = 8, ["F6_E2M3"] = 6, ["F6_E3M2"] = 6, ["F4"] = 4, ["U16"] = 16, ["U32"] = 32, ["U64"] = 64,
    };

    /// <summary>Bits a number of every dtype of safetensors.</summary>
    private static readonly Dictionary<string, int> Bits =
        Types.ToDictionary(pair => pair.Key, pair => (int)pair.Value.ElementSize() * 8).Concat(ForeignTypes).ToDictionary();

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
        public ScalarType? Type => TypeOf(Dtype);
    }

    /// <value>The tensors by name, in the order of the header.</value>
    public IReadOnlyDictionary<string, Entry> Entries => _entries;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <value>What the library has written about the file, or null where another program wrote it.</value>
    public CheckpointManifest? Manifest { get; private set; }

    /// <summary>safetensors' name of a dtype.</summary>
    public static string NameOf(ScalarType type) => Types.FirstOrDefault(pair => pair.Value == type).Key;

    /// <summary>The dtype of a name; null where there is none of that name.</summary>
    public static ScalarType? TypeOf(string? name) => name is not null && Types.TryGetValue(name, out var type) ? type : null;

    /// <summary>Writes a header with nothing but <paramref name="texts"/> beside the tensors.</summary>
    public static void Write(Stream stream, IReadOnlyList<TensorSource> tensors, IEnumerable<KeyValuePair<string, string>>? texts) =>
        WriteFramed(stream, Encode(tensors, texts));

    /// <summary>Writes a sealed header with a manifest.</summary>
    public static void Write(Stream stream, IReadOnlyList<TensorSource> tensors, CheckpointManifest manifest)
    {
        foreach (var parameter in manifest.Parameters)
            RequireText(parameter.Name);

        // PyTorch's readers want to know whose tensors these are: "pt" is what all of them take.
        var header = Encode(tensors, [new(ChecksumKey, Unsealed), new("format", "pt"), new(ManifestKey, manifest.ToJson())]);
        Encoding.ASCII.GetBytes(HashingStream.Of(header)).CopyTo(header.AsSpan(SealPrefix.Length));
        WriteFramed(stream, header);
    }

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
        var isSealed = BeginsWithSeal(bytes);
        if (isSealed)
            RequireSeal(bytes);
        var header = new SafeTensorsHeader();
        using var json = JsonDocument.Parse(bytes);
        foreach (var item in json.RootElement.EnumerateObject())
            header.Add(item);

        // Seal or manifest is enough to know a file of this library: the other may be what is damaged.
        var manifest = header._metadata.GetValueOrDefault(ManifestKey);
        if (!isSealed && CheckpointManifest.MayBe(manifest))
            throw NotAsWritten();
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

    private static void WriteFramed(Stream stream, byte[] header)
    {
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
    }

    private static byte[] ReadFramed(Stream stream, long? available)
    {
        var start = new byte[sizeof(long)];
        stream.ReadExactly(start);
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

    /// <summary>Whether the metadata begin with 16 hexadecimal digits as their checksum, which in files of
    /// other programs stands elsewhere, if at all.</summary>
    private static bool BeginsWithSeal(byte[] header) =>
        header.AsSpan().StartsWith(SealPrefix) && header.Length > SealPrefix.Length + Unsealed.Length
        && header.Skip(SealPrefix.Length).Take(Unsealed.Length).All(digit => char.IsAsciiHexDigitLower((char)digit))
        && header[SealPrefix.Length + Unsealed.Length] == '"';

    /// <summary>Compares a sealed header with its checksum, which is taken with zeros in its own place.</summary>
    private static void RequireSeal(byte[] header)
    {
        var place = header.AsSpan(SealPrefix.Length, Unsealed.Length);
        var written = Encoding.ASCII.GetString(place);
        Encoding.ASCII.GetBytes(Unsealed, place);
        if (HashingStream.Of(header) != written)
            throw NotAsWritten();
        Encoding.ASCII.GetBytes(written, place);
    }

    private static InvalidDataException NotAsWritten() => new("its header is not the one that was written: the checksum differs.");

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
        var (type, sizes, offsets) = (item.GetProperty("dtype"), item.GetProperty("shape"), item.GetProperty("data_offsets"));
        var (dtype, bits) = Bits.FirstOrDefault(known => type.ValueEquals(known.Key));
        if (dtype is null)
            throw new InvalidDataException($"'{Short(name)}' is of dtype {Short(type.ToString())}; known are {string.Join(", ", Bits.Keys)}.");
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

    private static byte[] Encode(IReadOnlyList<TensorSource> tensors, IEnumerable<KeyValuePair<string, string>>? texts)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Plain))
        {
            json.WriteStartObject();
            if (texts is not null)
                WriteTexts(json, texts);

            var (end, written) = (0L, new HashSet<string>());
            foreach (var (name, type, shape, _) in tensors)
            {
                if (!written.Add(name))
                    throw new ArgumentException($"There are two tensors called '{name}'. Give each a name of its own.", nameof(tensors));
                RequireText(name);

                var begin = end;
                end += shape.Aggregate((long)type.ElementSize(), (product, size) => product * size);
                json.WriteStartObject(name);
                json.WriteString("dtype", NameOf(type)
                    ?? throw new ArgumentException($"'{name}' is of dtype {type}, for which safetensors has no name. Convert it first.", nameof(tensors)));
                WriteNumbers(json, "shape", shape);
                WriteNumbers(json, "data_offsets", [begin, end]);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // Readers that map the file want the values aligned; blanks at the end of JSON mean nothing.
        while (stream.Length % sizeof(long) != 0)
            stream.WriteByte((byte)' ');
        return stream.ToArray();
    }

    /// <exception cref="ArgumentException">A text would come back as another one.</exception>
    public static void RequireText(string text)
    {
        if (text.EnumerateRunes().Count(rune => rune == Rune.ReplacementChar) != text.Count(letter => letter == '\uFFFD'))
            throw new ArgumentException($"'{text}' holds half of a letter (a surrogate by itself), which no file brings back: write it without. "
                + "Nothing was saved.");
    }

    private static void WriteTexts(Utf8JsonWriter json, IEnumerable<KeyValuePair<string, string>> texts)
    {
        json.WriteStartObject(MetadataKey);
        foreach (var (key, value) in texts)
        {
            RequireText(key);
            RequireText(value);
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, IEnumerable<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
