using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>The values of a tensor, raw and little-endian, in and out of a stream.</summary>
internal static class TensorBytes
{
    // A span holds 2 GB at the most; a tensor may be larger.
    private const long ChunkElements = 1 << 24;

    public static void Write(Tensor tensor, BinaryWriter writer)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        foreach (var chunk in Chunks(tensor.cpu().contiguous().reshape(-1)))
            writer.Write(chunk.bytes);
    }

    /// <summary>Overwrites the values in place, on whatever device: <c>model.load</c> would make new parameters on a GPU, which the optimizer does not know.</summary>
    public static void ReadInto(Tensor target, BinaryReader reader)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var values = empty(target.shape, target.dtype);
        foreach (var chunk in Chunks(values.reshape(-1)))
            reader.BaseStream.ReadExactly(chunk.bytes);
        target.copy_(values);
    }

    private static IEnumerable<Tensor> Chunks(Tensor flat)
    {
        for (long start = 0, length = flat.numel(); start < length; start += ChunkElements)
        {
            using var chunk = flat.narrow(0, start, Math.Min(ChunkElements, length - start));
            yield return chunk;
        }
    }
}
