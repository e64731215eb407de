using System.Text.Json;
using LowRankTraining.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>What a header says of one tensor, checked.</summary>
/// <param name="Dtype">safetensors' name of its dtype.</param>
/// <param name="Dimensions">How many sizes its shape has.</param>
/// <param name="Begin">Its first byte, counted from the end of the header.</param>
/// <param name="End">The byte behind it.</param>
internal readonly record struct TensorDescription(string Dtype, int Dimensions, long Begin, long End)
{
    public const int MostDimensions = 64;

    /// <summary>Reads the description that comes next, without taking memory.</summary>
    /// <param name="json">The reader, before the description.</param>
    /// <param name="name">A reader at the tensor's name.</param>
    /// <param name="shape">Room for <see cref="MostDimensions"/> sizes.</param>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static TensorDescription Read(ref Utf8JsonReader json, ref Utf8JsonReader name, scoped Span<long> shape)
    {
        var (dtype, bits, dimensions, ends) = (default(string), 0, -1, -1);
        Span<long> offsets = stackalloc long[2];
        if (json.Read() && json.TokenType == JsonTokenType.StartObject)
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
                if (Begins(ref json, "dtype"u8, dtype is null, ref name))
                    (dtype, bits) = DtypeAt(ref json, ref name);
                else if (Begins(ref json, "shape"u8, dimensions < 0, ref name))
                    dimensions = ReadNumbers(ref json, shape);
                else if (Begins(ref json, "data_offsets"u8, ends < 0, ref name))
                    ends = ReadNumbers(ref json, offsets);
                else
                    json.Skip();

        if (dtype is null || dimensions < 0 || ends != offsets.Length)
            throw new InvalidDataException($"'{JsonText.Short(name)}' is no tensor: it needs a dtype, a shape and data_offsets.");
        if (dimensions > MostDimensions)
            throw new InvalidDataException($"'{JsonText.Short(name)}' has {dimensions} dimensions, and a tensor has {MostDimensions} at the most.");
        var tensor = new TensorDescription(dtype, dimensions, offsets[0], offsets[1]);
        tensor.RequireSize(bits, shape[..dimensions], ref name);
        return tensor;
    }

    private void RequireSize(long bits, scoped ReadOnlySpan<long> shape, ref Utf8JsonReader name)
    {
        var isNegative = Begin < 0;
        foreach (var size in shape)
            (bits, isNegative) = (checked(bits * size), isNegative || size < 0);
        if (bits % 8 != 0)
            throw new InvalidDataException($"'{JsonText.Short(name)}' takes {bits} bits, which is no number of bytes.");
        if (isNegative || End - Begin != bits / 8)
            throw new InvalidDataException($"'{JsonText.Short(name)}' should take {bits / 8} bytes and takes {End - Begin}.");
    }

    /// <summary>Whether a key is the one that is meant; then its value is read next.</summary>
    private static bool Begins(ref Utf8JsonReader json, ReadOnlySpan<byte> key, bool isFirst, ref Utf8JsonReader name)
    {
        if (!json.ValueTextEquals(key))
            return false;
        if (!isFirst)
            throw TensorIndex.Twice($"{JsonText.Short(name)}:{json.GetString()}");
        return json.Read();
    }

    private static (string Dtype, int Bits) DtypeAt(ref Utf8JsonReader json, ref Utf8JsonReader name)
    {
        if (json.TokenType == JsonTokenType.String)
            foreach (var (dtype, bits) in SafeTensorsTypes.Bits)
                if (json.ValueTextEquals(dtype))
                    return (dtype, bits);

        var given = json.TokenType == JsonTokenType.String ? JsonText.Short(json) : $"{json.TokenType}";
        throw new InvalidDataException($"'{JsonText.Short(name)}' is of dtype {given}; known are {string.Join(", ", SafeTensorsTypes.Bits.Keys)}.");
    }

    /// <summary>Reads a list of whole numbers as far as there is room for them.</summary>
    /// <returns>How many there are.</returns>
    private static int ReadNumbers(ref Utf8JsonReader json, scoped Span<long> numbers)
    {
        if (json.TokenType != JsonTokenType.StartArray)
            return -1;

        var count = 0;
        for (; json.Read() && json.TokenType != JsonTokenType.EndArray; count++)
            if (json.GetInt64() is var number && count < numbers.Length)
                numbers[count] = number;
        return count;
    }
}
