namespace LowRankTraining.Checkpoints;

/// <summary>The values of a tensor, raw and little-endian, in and out of a stream, in blocks: a span holds 2 GB at most, and a tensor may be larger.</summary>
internal static class TensorBytes
{
    private const long BlockElements = 1 << 22;

    /// <summary>Writes from whatever device. One block at a time is copied to the CPU. A view that is conjugated or negated when it is read is so
    /// before.</summary>
    public static void Write(Tensor tensor, Stream stream)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        foreach (var block in Blocks(tensor.resolve_conj().resolve_neg().contiguous().reshape(-1)))
        {
            using var local = block.cpu();
            stream.Write(local.bytes);
        }
    }

    /// <summary>Reads a new tensor on the CPU.</summary>
    /// <exception cref="EndOfStreamException">The stream is too short.</exception>
    public static Tensor Read(Stream stream, ScalarType type, long[] shape)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var tensor = empty(shape, type, CPU);
        foreach (var block in Blocks(tensor.reshape(-1)))
            stream.ReadExactly(block.bytes);
        return tensor.MoveToOuterDisposeScope();
    }

    private static IEnumerable<Tensor> Blocks(Tensor flat)
    {
        for (long start = 0, length = flat.numel(); start < length; start += BlockElements)
        {
            using var block = flat.narrow(0, start, Math.Min(BlockElements, length - start));
            yield return block;
        }
    }
}
