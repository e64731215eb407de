using System.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>The checksum with which the header of a file of this library begins. It is taken with zeros in its own place.</summary>
internal static class HeaderChecksum
{
    public const string Key = "checksum";

    private const string Unsealed = "0000000000000000";

    private static readonly byte[] Prefix = Encoding.UTF8.GetBytes($$"""{"{{SafeTensorsHeader.MetadataKey}}":{"{{Key}}":" """.TrimEnd());

    /// <value>What the metadata begin with, until <see cref="Close"/>.</value>
    public static KeyValuePair<string, string> Open => new(Key, Unsealed);

    /// <summary>Puts the checksum in its place.</summary>
    public static void Close(byte[] header) => Encoding.ASCII.GetBytes(HashingStream.Of(header)).CopyTo(header.AsSpan(Prefix.Length));

    /// <summary>Whether texts have a checksum like that of a header.</summary>
    public static bool IsIn(IReadOnlyDictionary<string, string> texts) =>
        texts.TryGetValue(Key, out var text) && text.Length == Unsealed.Length && text.All(char.IsAsciiHexDigitLower);

    /// <summary>Whether the metadata begin with 16 hexadecimal digits as their checksum, which in files of
    /// other programs stands elsewhere, if at all.</summary>
    public static bool Begins(byte[] header) =>
        header.AsSpan().StartsWith(Prefix) && header.Length > Prefix.Length + Unsealed.Length
        && header.Skip(Prefix.Length).Take(Unsealed.Length).All(digit => char.IsAsciiHexDigitLower((char)digit))
        && header[Prefix.Length + Unsealed.Length] == '"';

    /// <summary>Compares a sealed header with its checksum, which is taken with zeros in its own place.</summary>
    public static void Require(byte[] header)
    {
        var place = header.AsSpan(Prefix.Length, Unsealed.Length);
        var written = Encoding.ASCII.GetString(place);
        Encoding.ASCII.GetBytes(Unsealed, place);
        if (HashingStream.Of(header) != written)
            throw NotAsWritten();
        Encoding.ASCII.GetBytes(written, place);
    }

    public static InvalidDataException NotAsWritten() => new("its header is not the one that was written: the checksum differs.");
}
