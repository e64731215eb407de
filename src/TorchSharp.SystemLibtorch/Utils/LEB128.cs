namespace TorchSharp.Utils;

/// <summary>Non-negative numbers in groups of seven bits, lowest first; the eighth bit says that more follow.</summary>
internal static class LEB128
{
    internal static void Encode(this BinaryWriter writer, long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        writer.Write7BitEncodedInt64(value);
    }

    internal static long Decode(this BinaryReader reader) => reader.Read7BitEncodedInt64();
}
