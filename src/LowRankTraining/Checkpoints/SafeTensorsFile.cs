using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>A safetensors file: named tensors, and nothing that could be executed.</summary>
/// <remarks>8 bytes little-endian length of the header; the header, JSON: for every tensor <c>dtype</c>, <c>shape</c> and <c>data_offsets</c>, and texts under <c>__metadata__</c>; the values, raw, little-endian.
/// The whole header is checked when the file is opened; values are read when they are asked for.</remarks>
public sealed class SafeTensorsFile : IDisposable
{
    private const string MetadataKey = "__metadata__";
    private const long LongestHeader = 100_000_000;

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
    };

    private readonly BinaryReader _reader;
    private readonly long _start;
    private readonly Dictionary<string, Entry> _entries;

    private SafeTensorsFile(BinaryReader reader, long start, Dictionary<string, Entry> entries, IReadOnlyDictionary<string, string> metadata) =>
        (_reader, _start, _entries, Metadata) = (reader, start, entries, metadata);

    private sealed record Entry(ScalarType Type, long[] Shape, long Begin, long End);

    /// <value>The tensors' names.</value>
    public IEnumerable<string> Names => _entries.Keys;

    /// <value>Texts that stand beside the tensors.</value>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header against its length.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="InvalidDataException">It is not a safetensors file, or damaged.</exception>
    public static SafeTensorsFile Open(string path)
    {
        var reader = new BinaryReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16));
        try
        {
            return Parse(reader);
        }
        catch (Exception failure) when (failure is InvalidDataException or JsonException or InvalidOperationException or FormatException or EndOfStreamException or KeyNotFoundException or OverflowException)
        {
            reader.Dispose();
            throw new InvalidDataException($"'{path}' is not a sound safetensors file: {failure.Message}", failure);
        }
    }

    /// <summary>Writes tensors, from whatever device, in the order given. The file appears when it is complete, in place of one that was there.</summary>
    public static void Write(string path, IReadOnlyList<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var unfinished = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var writer = new BinaryWriter(new FileStream(unfinished, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16)))
            {
                var header = HeaderOf(tensors, metadata);
                writer.Write((long)header.Length);
                writer.Write(header);
                foreach (var (_, tensor) in tensors)
                    TensorBytes.Write(tensor, writer);
            }

            File.Move(unfinished, path, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Has(string name) => _entries.ContainsKey(name);

    /// <summary>The shape of a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    public IReadOnlyList<long> ShapeOf(string name) => _entries[name].Shape;

    /// <summary>The dtype of a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    public ScalarType TypeOf(string name) => _entries[name].Type;

    /// <summary>Reads a tensor to the CPU.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    public Tensor Read(string name)
    {
        var entry = _entries[name];
        var tensor = empty(entry.Shape, entry.Type);
        _reader.BaseStream.Position = _start + entry.Begin;
        TensorBytes.ReadInto(tensor, _reader);
        return tensor;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _reader.Dispose();

    private static SafeTensorsFile Parse(BinaryReader reader)
    {
        var (length, total) = (reader.ReadInt64(), reader.BaseStream.Length);
        if (length < 2 || length > LongestHeader || length > total - sizeof(long))
            throw new InvalidDataException($"it says that its header has {length} bytes, and the file has {total}.");

        using var header = JsonDocument.Parse(reader.ReadBytes((int)length));
        var (start, entries, metadata) = (sizeof(long) + length, new Dictionary<string, Entry>(), new Dictionary<string, string>());
        foreach (var item in header.RootElement.EnumerateObject())
            if (item.Name == MetadataKey)
                metadata = item.Value.EnumerateObject().ToDictionary(text => text.Name, text => text.Value.GetString()!);
            else if (!entries.TryAdd(item.Name, EntryOf(item)))
                throw new InvalidDataException($"it holds '{item.Name}' twice.");

        RequireGapless(entries, total - start);
        return new(reader, start, entries, metadata);
    }

    private static Entry EntryOf(JsonProperty item)
    {
        var (dtype, offsets) = (item.Value.GetProperty("dtype").GetString()!, item.Value.GetProperty("data_offsets"));
        var shape = item.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
        if (!Types.TryGetValue(dtype, out var type))
            throw new InvalidDataException($"'{item.Name}' is of dtype {dtype}; known are {string.Join(", ", Types.Keys)}.");

        var entry = new Entry(type, shape, offsets[0].GetInt64(), offsets[1].GetInt64());
        var bytes = shape.Aggregate((long)type.ElementSize(), (product, size) => checked(product * size));
        if (shape.Any(size => size < 0) || entry.End - entry.Begin != bytes)
            throw new InvalidDataException($"'{item.Name}' should take {bytes} bytes and takes {entry.End - entry.Begin}.");
        return entry;
    }

    private static void RequireGapless(Dictionary<string, Entry> entries, long available)
    {
        var end = 0L;
        foreach (var (name, entry) in entries.OrderBy(pair => pair.Value.Begin).ThenBy(pair => pair.Value.End))
        {
            if (entry.Begin != end)
                throw new InvalidDataException($"'{name}' begins at byte {entry.Begin} of the values, where {end} was expected.");
            end = entry.End;
        }

        if (end != available)
            throw new InvalidDataException($"its tensors take {end} bytes, and {available} are there.");
    }

    private static byte[] HeaderOf(IReadOnlyList<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var names = Types.ToDictionary(pair => pair.Value, pair => pair.Key);
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            if (metadata is not null)
                WriteTexts(json, metadata);

            var end = 0L;
            foreach (var (name, tensor) in tensors)
            {
                var begin = end;
                end += tensor.NumberOfElements * tensor.ElementSize;
                json.WriteStartObject(name);
                json.WriteString("dtype", names.GetValueOrDefault(tensor.dtype) ?? throw new ArgumentException($"'{name}' is of dtype {tensor.dtype}, for which safetensors has no name. Convert it first.", nameof(tensors)));
                WriteNumbers(json, "shape", tensor.shape);
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

    private static void WriteTexts(Utf8JsonWriter json, IReadOnlyDictionary<string, string> texts)
    {
        json.WriteStartObject(MetadataKey);
        foreach (var (key, value) in texts)
            json.WriteString(key, value);
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
