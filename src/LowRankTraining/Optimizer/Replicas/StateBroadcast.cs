namespace LowRankTraining;

/// <summary>A <see cref="StateBag"/> on its way from one rank to all.</summary>
internal static class StateBroadcast
{
    /// <summary>Sends it from one rank, and fills it on the others.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="bag">On rank <paramref name="from"/> what is sent; elsewhere empty.</param>
    /// <param name="from">The rank that has it.</param>
    /// <param name="device">Where its tensors are to be.</param>
    /// <param name="keeps">Whether this rank wants it; otherwise it takes part for the others alone.</param>
    public static void Broadcast(ICollective world, StateBag bag, int from, Device device, bool keeps)
    {
        using var scope = NewDisposeScope();
        var header = Broadcast(world, from == world.Rank ? HeaderOf(bag) : null, from, device);
        using var reader = new BinaryReader(new MemoryStream(header));
        for (var counters = reader.ReadInt32(); counters > 0; counters--)
        {
            var (name, value) = (reader.ReadString(), reader.ReadInt64());
            if (keeps)
                bag.SetCounter(name, value);
        }

        for (var tensors = reader.ReadInt32(); tensors > 0; tensors--)
        {
            var (name, type) = (reader.ReadString(), (ScalarType)reader.ReadInt32());
            long[] shape = [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => reader.ReadInt64())];
            var tensor = from == world.Rank ? bag[name] : empty(shape, type, device);
            world.Broadcast(tensor.view(-1), from);
            if (keeps && from != world.Rank)
                bag.Set(name, tensor);
            else if (from != world.Rank)
                tensor.Dispose();
        }
    }

    private static byte[] HeaderOf(StateBag bag)
    {
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
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
            writer.Write((int)tensor.dtype);
            writer.Write(tensor.shape.Length);
            foreach (var size in tensor.shape)
                writer.Write(size);
        }

        return stream.ToArray();
    }

    private static byte[] Broadcast(ICollective world, byte[]? bytes, int from, Device device)
    {
        var length = tensor(new[] { bytes?.LongLength ?? 0 }, device: device);
        world.Broadcast(length, from);
        var content = bytes is null ? empty(length.cpu().data<long>()[0], ScalarType.Byte, device) : tensor(bytes, ScalarType.Byte, device);
        world.Broadcast(content, from);
        return content.cpu().data<byte>().ToArray();
    }
}
