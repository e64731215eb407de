namespace LowRankTraining.Checkpoints;

/// <summary>A tensor to be written: what the header says of it, and where its values come from.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">Its dtype.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Write">Writes its values: once for the checksum, which stands before them, and once into the file.</param>
internal sealed record TensorSource(string Name, ScalarType Type, long[] Shape, Action<Stream> Write)
{
    public static TensorSource Of(string name, Tensor tensor) => new(name, tensor.dtype, tensor.shape, stream => TensorBytes.Write(tensor, stream));

    /// <summary>Bytes whose meaning is not ours, as a tensor.</summary>
    public static TensorSource OfBytes(string name, Action<Stream> write)
    {
        using var counted = new HashingStream(Stream.Null);
        write(counted);
        return new(name, ScalarType.Byte, [counted.Count], write);
    }

    public string Checksum()
    {
        using var hashed = new HashingStream(Stream.Null);
        Write(hashed);
        return hashed.Checksum;
    }
}
