using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Unicode;

namespace LowRankTraining.Text;

/// <summary>Texts in JSON that are compared where they stand, without a string of each.</summary>
internal static class JsonText
{
    /// <summary>Nobody can choose very many texts of one hash, which would take the square of their number to tell apart.</summary>
    private static readonly long Seed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));

    public static ulong Hash(ReadOnlySpan<byte> utf8) => XxHash3.HashToUInt64(utf8, Seed);

    /// <summary>The text or the key at which a reader is, in UTF-8 and without escapes.</summary>
    /// <param name="json">The reader.</param>
    /// <param name="room">For a text with escapes, made anew where it is too small: the next one with escapes takes it.</param>
    /// <exception cref="InvalidDataException">It is no text.</exception>
    public static ReadOnlySpan<byte> Utf8(this scoped ref Utf8JsonReader json, scoped ref byte[] room)
    {
        var text = json.ValueSpan;
        if (!json.ValueIsEscaped)
            return System.Text.Unicode.Utf8.IsValid(text) ? text : throw new InvalidDataException("it holds a text that is not UTF-8.");
        if (room.Length < text.Length)
            room = new byte[text.Length];
        return room.AsSpan(0, json.CopyString(room));
    }

    /// <summary>A reader at the text, or the key, that begins at a place.</summary>
    public static Utf8JsonReader ReaderAt(ReadOnlySpan<byte> json, int place)
    {
        var reader = new Utf8JsonReader(json[place..]);
        reader.Read();
        return reader;
    }
}
