using System.Buffers.Binary;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LowRankTraining.Checkpoints;

/// <summary>Writes the header of a safetensors file.</summary>
internal static class SafeTensorsHeaderWriter
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes a header with nothing but <paramref name="texts"/> beside the tensors.</summary>
    public static void Write(Stream stream, IReadOnlyList<TensorSource> tensors, IEnumerable<KeyValuePair<string, string>>? texts) =>
        WriteFramed(stream, Encode(tensors, texts));

    /// <summary>Writes a sealed header with a manifest.</summary>
    public static void Write(Stream stream, IReadOnlyList<TensorSource> tensors, CheckpointManifest manifest)
    {
        foreach (var parameter in manifest.Parameters)
            RequireText(parameter.Name);

        // PyTorch's readers want to know whose tensors these are: "pt" is what all of them take.
        var header = Encode(tensors, [HeaderChecksum.Open, new("format", "pt"), new(SafeTensorsHeader.ManifestKey, manifest.ToJson())]);
        HeaderChecksum.Close(header);
        WriteFramed(stream, header);
    }

    /// <exception cref="ArgumentException">A text is null; or the texts are those of a file of this library, and are not true of another one.</exception>
    public static void RequireForeign(IReadOnlyDictionary<string, string>? texts)
    {
        if (texts?.FirstOrDefault(text => text.Value is null).Key is { } empty)
            throw new ArgumentException($"The metadata have null for '{empty}': leave it out. Nothing was written.", nameof(texts));
        var manifest = texts?.GetValueOrDefault(SafeTensorsHeader.ManifestKey) ?? "";
        if (texts is not null && (HeaderChecksum.IsIn(texts) || CheckpointManifest.MayBe(Encoding.UTF8.GetBytes(manifest))))
            throw new ArgumentException($"The metadata are those of a file that LowRankTraining wrote, whose {HeaderChecksum.Key} and "
                + $"{SafeTensorsHeader.ManifestKey} are of that file alone: leave these two out. Nothing was written.", nameof(texts));
    }

    /// <exception cref="ArgumentException">A text would come back as another one.</exception>
    public static void RequireText(string text)
    {
        if (text.EnumerateRunes().Count(rune => rune == Rune.ReplacementChar) != text.Count(letter => letter == '\uFFFD'))
            throw new ArgumentException($"'{text}' holds half of a letter (a surrogate by itself), which no file brings back: write it without. "
                + "Nothing was saved.");
    }

    private static void WriteFramed(Stream stream, byte[] header)
    {
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
    }

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
                if (name == SafeTensorsHeader.MetadataKey)
                    throw new ArgumentException($"No tensor can be called '{name}', which is the place of texts. Give it another name.", nameof(tensors));
                if (!written.Add(name))
                    throw new ArgumentException($"There are two tensors called '{name}'. Give each a name of its own.", nameof(tensors));
                RequireText(name);
                if (shape.Length > TensorDescription.MostDimensions)
                    throw new ArgumentException($"'{name}' has {shape.Length} dimensions, and a tensor in a file has {TensorDescription.MostDimensions} at the "
                        + "most. Reshape it first. Nothing was written.", nameof(tensors));

                var begin = end;
                end += shape.Aggregate((long)type.ElementSize(), (product, size) => product * size);
                json.WriteStartObject(name);
                json.WriteString("dtype", SafeTensorsTypes.NameOf(type)
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
        return stream.Length <= SafeTensorsHeader.Longest ? stream.ToArray()
            : throw new ArgumentException($"Names, shapes and texts take {stream.Length} bytes, and readers take {SafeTensorsHeader.Longest} at the most: "
                + "write several files, or shorter texts. Nothing was written.", nameof(tensors));
    }

    private static void WriteTexts(Utf8JsonWriter json, IEnumerable<KeyValuePair<string, string>> texts)
    {
        json.WriteStartObject(SafeTensorsHeader.MetadataKey);
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
