using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>Name, type and shape of a saved tensor.</summary>
internal sealed record TensorHeader(string Name, ScalarType Type, long[] Shape, long ByteCount)
{
    public static TensorHeader Of(string name, Tensor tensor) => new(name, tensor.dtype, tensor.shape, tensor.NumberOfElements * tensor.ElementSize);

    public void Write(BinaryWriter writer)
    {
        writer.Write(Name);
        writer.Write((int)Type);
        writer.Write(Shape.Length);
        foreach (var size in Shape)
            writer.Write(size);
        writer.Write(ByteCount);
    }

    public static TensorHeader Read(BinaryReader reader)
    {
        var (name, type) = (reader.ReadString(), (ScalarType)reader.ReadInt32());
        var shape = new long[reader.ReadInt32()];
        for (var axis = 0; axis < shape.Length; axis++)
            shape[axis] = reader.ReadInt64();
        return new(name, type, shape, reader.ReadInt64());
    }

    public bool Fits(TensorHeader other) => Type == other.Type && Shape.SequenceEqual(other.Shape);

    public override string ToString() => $"{Type} [{string.Join(", ", Shape)}]";
}
