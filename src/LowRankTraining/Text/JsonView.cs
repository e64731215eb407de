using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace LowRankTraining.Text;

/// <summary>A value of JSON where it stands in its text: what is in it is read when it is asked for, and nothing is made of it before.</summary>
/// <param name="json">The value alone. It has been read once, and is JSON in which no key stands twice.</param>
internal readonly struct JsonView(ReadOnlyMemory<byte> json)
{
    /// <value>In UTF-8.</value>
    public ReadOnlySpan<byte> Json => json.Span;

    public JsonTokenType Type => Json[0] switch
    {
        (byte)'"' => JsonTokenType.String,
        (byte)'{' => JsonTokenType.StartObject,
        (byte)'[' => JsonTokenType.StartArray,
        (byte)'n' => JsonTokenType.Null,
        (byte)'t' => JsonTokenType.True,
        (byte)'f' => JsonTokenType.False,
        _ => JsonTokenType.Number,
    };

    /// <value>What a list holds; nothing where it is none.</value>
    public JsonParts Items => new(Type == JsonTokenType.StartArray ? json : default);

    /// <value>What an object holds, in the order of the text; nothing where it is none.</value>
    public JsonEntries Entries => new(Type == JsonTokenType.StartObject ? json : default);

    /// <exception cref="InvalidOperationException">It is no text.</exception>
    public string Text => Start.GetString()!;

    /// <exception cref="InvalidOperationException">It is no number.</exception>
    /// <exception cref="FormatException">It is another number.</exception>
    public int Int32 => Start.GetInt32();

    /// <inheritdoc cref="Int32"/>
    public long Int64 => Start.GetInt64();

    /// <inheritdoc cref="Int32"/>
    public ulong UInt64 => Start.GetUInt64();

    /// <value>NaN and infinity are texts.</value>
    /// <inheritdoc cref="Int32"/>
    public double Double => Type == JsonTokenType.String ? double.Parse(Text, NumberStyles.Float, CultureInfo.InvariantCulture) : Start.GetDouble();

    private Utf8JsonReader Start => JsonText.ReaderAt(Json, 0);

    private ReadOnlySpan<byte> Inner => Json[1..^1];

    private bool IsEscaped => Inner.Contains((byte)'\\');

    /// <summary>As much of a text as a message can hold; of another value, of its JSON.</summary>
    public string Short(int longest = JsonText.Brief) => Type == JsonTokenType.String ? JsonText.Short(Start, longest) : ShortJson(longest);

    /// <summary>As much of its JSON as <paramref name="longest"/> bytes hold.</summary>
    public string ShortJson(int longest) => JsonText.Cut(Json, longest);

    /// <summary>Whether it is this text.</summary>
    public bool Is(string? text) => text is not null && Type == JsonTokenType.String && Start.ValueTextEquals(text);

    /// <summary>Whether it is this text, in UTF-8.</summary>
    public bool Is(ReadOnlySpan<byte> text) =>
        Type == JsonTokenType.String && (IsEscaped ? Start.ValueTextEquals(text) : Inner.SequenceEqual(text));

    /// <inheritdoc cref="JsonText.Utf8"/>
    public ReadOnlyMemory<byte> Utf8(ref byte[] room)
    {
        if (Type != JsonTokenType.String)
            throw new InvalidDataException($"it holds {Short()} where a text is needed.");
        if (!IsEscaped && System.Text.Unicode.Utf8.IsValid(Inner))
            return json[1..^1];
        var start = Start;
        var length = start.Utf8(ref room).Length;
        return room.AsMemory(0, length);
    }
}

/// <summary>The values within a list, or the keys and values within an object, one after the other.</summary>
internal struct JsonParts(ReadOnlyMemory<byte> json)
{
    private static readonly SearchValues<byte> Ends = SearchValues.Create(",]} \t\r\n"u8);

    private int _place = 1;

    public JsonView Current { get; private set; }

    public readonly JsonParts GetEnumerator() => this;

    public bool MoveNext()
    {
        var text = json.Span;
        if (text.IsEmpty)
            return false;
        while (text[_place] is (byte)' ' or (byte)',' or (byte)':' or (byte)'\t' or (byte)'\r' or (byte)'\n')
            _place++;
        if (text[_place] is (byte)']' or (byte)'}')
            return false;

        var length = LengthAt(text[_place..]);
        Current = new(json.Slice(_place, length));
        _place += length;
        return true;
    }

    public readonly int Count()
    {
        var count = 0;
        foreach (var _ in this)
            count++;
        return count;
    }

    private static int LengthAt(ReadOnlySpan<byte> text)
    {
        if (text[0] is not ((byte)'"' or (byte)'{' or (byte)'['))
            return text.IndexOfAny(Ends);

        var reader = JsonText.ReaderAt(text, 0);
        reader.Skip();
        return (int)reader.BytesConsumed;
    }
}

/// <summary>The keys within an object with their values, one after the other.</summary>
internal struct JsonEntries(ReadOnlyMemory<byte> json)
{
    private JsonParts _parts = new(json);
    private JsonView _key;

    public readonly (JsonView Key, JsonView Value) Current => (_key, _parts.Current);

    public readonly JsonEntries GetEnumerator() => this;

    public bool MoveNext()
    {
        if (!_parts.MoveNext())
            return false;
        _key = _parts.Current;
        return _parts.MoveNext();
    }
}
