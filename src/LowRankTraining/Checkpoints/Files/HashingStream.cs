using System.Globalization;
using System.IO.Hashing;

namespace LowRankTraining.Checkpoints;

/// <summary>Passes bytes on in one direction, counts them, and takes their checksum.</summary>
/// <remarks>The checksum is XXH3 of 64 bits, seed 0. It is faster than memory, so that checking costs nothing beside the disk; every reader of the format can
/// compute it (<c>xxhash.xxh3_64</c> in Python); and unlike a CRC of 32 bits it lets damage pass once in 10¹⁹ times, not once in 10⁹.</remarks>
internal sealed class HashingStream(Stream inner) : Stream
{
    private readonly XxHash3 _hash = new();

    /// <value>16 hexadecimal digits.</value>
    public string Checksum => Text(Hash);

    public ulong Hash => _hash.GetCurrentHashAsUInt64();

    /// <value>Bytes so far.</value>
    public long Count { get; private set; }

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => false;

    public override bool CanWrite => inner.CanWrite;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public static string Of(ReadOnlySpan<byte> bytes) => Text(XxHash3.HashToUInt64(bytes));

    /// <summary>The checksum of a text.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out ulong checksum) =>
        ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out checksum);

    /// <summary>That of a tensor's numbers, on whatever device.</summary>
    public static ulong Of(Tensor tensor)
    {
        using var stream = new HashingStream(Stream.Null);
        TensorBytes.Write(tensor, stream);
        return stream.Hash;
    }

    public override int Read(Span<byte> buffer)
    {
        var read = inner.Read(buffer);
        Take(buffer[..read]);
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        inner.Write(buffer);
        Take(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() => inner.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private void Take(ReadOnlySpan<byte> bytes)
    {
        _hash.Append(bytes);
        Count += bytes.Length;
    }

    private static string Text(ulong hash) => hash.ToString("x16", CultureInfo.InvariantCulture);
}
