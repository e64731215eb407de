using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace LowRankTraining.Text;

/// <summary>Texts in JSON that are compared where they stand, without a string of each.</summary>
internal static class JsonText
{
    /// <summary>Nobody can choose very many texts of one hash, which would take the square of their number to tell apart.</summary>
    private static readonly long Seed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));

    /// <summary>Bytes of a text that a message can hold.</summary>
    public const int Brief = 200;

    public static ulong Hash(ReadOnlySpan<byte> utf8) => XxHash3.HashToUInt64(utf8, Seed);

    /// <summary>The text or the key at which a reader is, in UTF-8 and without escapes.</summary>
    /// <param name="json">The reader.</param>
    /// <param name="room">For a text with escapes, made again where it is too small: the next one with escapes takes it.</param>
    /// <exception cref="InvalidDataException">It is no text.</exception>
    public static ReadOnlySpan<byte> Utf8(this scoped ref Utf8JsonReader json, scoped ref byte[] room)
    {
        var text = json.ValueSpan;
        if (!json.ValueIsEscaped)
            return System.Text.Unicode.Utf8.IsValid(text) ? text : throw new InvalidDataException("it holds a text that is not UTF-8.");
        // Of two letters with which an escape can begin one at least is not in the text; the runtime wants a few bytes more than it writes.
        var most = text.Length - text.Count((byte)'\\') / 2 + 16;
        if (room.Length < most)
            room = new byte[most];
        return room.AsSpan(0, json.CopyString(room));
    }

    /// <summary>A reader at the text, or the key, that begins at a place.</summary>
    public static Utf8JsonReader ReaderAt(ReadOnlySpan<byte> json, int place)
    {
        var reader = new Utf8JsonReader(json[place..]);
        reader.Read();
        return reader;
    }

    /// <summary>As much of the text or the key at which a reader is as a message can hold: one of a damaged file can be as long as the file.</summary>
    /// <param name="json">The reader.</param>
    /// <param name="longest">Bytes.</param>
    public static string Short(Utf8JsonReader json, int longest = Brief) =>
        json.ValueSpan.Length > longest ? Cut(json.ValueSpan, longest) : json.GetString()!;

    /// <summary>As much of a text as some bytes hold.</summary>
    public static string Cut(ReadOnlySpan<byte> text, int longest) =>
        text.Length > longest ? $"{Encoding.UTF8.GetString(text[..longest])}..." : Encoding.UTF8.GetString(text);
}
