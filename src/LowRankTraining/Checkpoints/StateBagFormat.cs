using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>How a <see cref="StateBag"/> is written: counters, then tensors, each with name, dtype, shape and raw little-endian values.</summary>
internal static class StateBagFormat
{
    public static void Write(this StateBag bag, BinaryWriter writer)
    {
        writer.Write(bag.Counters.Count);
        foreach (var (name, value) in bag.Counters)
        {
            writer.Write(name);
            writer.Write(value);
        }

        writer.Write(bag.Tensors.Count);
        foreach (var (name, tensor) in bag.Tensors)
        {
            writer.Write(name);
            Write(tensor, writer);
        }
    }

    public static StateBag Read(BinaryReader reader, Device device)
    {
        var bag = new StateBag();
        try
        {
            for (var left = reader.ReadInt32(); left > 0; left--)
                bag.SetCounter(reader.ReadString(), reader.ReadInt64());

            for (var left = reader.ReadInt32(); left > 0; left--)
                bag.Set(reader.ReadString(), ReadTensor(reader, device));

            return bag;
        }
        catch
        {
            bag.Dispose();
            throw;
        }
    }

    private static void Write(Tensor tensor, BinaryWriter writer)
    {
        using var scope = NewDisposeScope();
        writer.Write((int)tensor.dtype);
        writer.Write(tensor.shape.Length);
        foreach (var size in tensor.shape)
            writer.Write(size);
        writer.Write(tensor.cpu().contiguous().bytes);
    }

    private static Tensor ReadTensor(BinaryReader reader, Device device)
    {
        using var scope = NewDisposeScope();
        var dtype = (ScalarType)reader.ReadInt32();
        var shape = new long[reader.ReadInt32()];
        for (var axis = 0; axis < shape.Length; axis++)
            shape[axis] = reader.ReadInt64();

        var tensor = empty(shape, dtype);
        var bytes = reader.ReadBytes(checked((int)(tensor.NumberOfElements * tensor.ElementSize)));
        if (bytes.Length < tensor.NumberOfElements * tensor.ElementSize)
            throw new EndOfStreamException("The optimizer state ends in the middle of a tensor: the file is not complete.");

        tensor.bytes = bytes;
        return tensor.to(device).MoveToOuterDisposeScope();
    }
}
