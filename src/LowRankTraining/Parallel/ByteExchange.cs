using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace LowRankTraining;

/// <summary>Short messages from every rank to every rank.</summary>
/// <param name="world">The ranks.</param>
/// <param name="device">Where the ranks' tensors are, asked for at every message.</param>
internal sealed class ByteExchange(ICollective world, Func<Device> device)
{
    /// <summary>The messages of all ranks, all of one length.</summary>
    public byte[][] Gather(byte[] mine)
    {
        using var scope = NewDisposeScope();
        var at = device();
        var all = empty(mine.Length * world.Size, ScalarType.Byte, at);
        world.AllGather(tensor(mine, ScalarType.Byte, at), all);
        return [.. all.cpu().data<byte>().ToArray().Chunk(mine.Length)];
    }

    /// <summary>The first rank that has other bytes than rank 0, and what both have; null where all have the same. Only a hash travels then.</summary>
    public int? DifferentRank(byte[] mine, out byte[] first, out byte[] other)
    {
        byte[] summary = [.. BitConverter.GetBytes(XxHash3.HashToUInt64(mine)), .. BitConverter.GetBytes((ulong)mine.Length)];
        var summaries = Gather(summary);
        first = other = mine;
        var rank = Array.FindIndex(summaries, one => !one.AsSpan().SequenceEqual(summaries[0]));
        if (rank < 0)
            return null;

        var lengths = summaries.Select(one => (int)MemoryMarshal.Cast<byte, ulong>(one)[1]).ToArray();
        Array.Resize(ref mine, lengths.Max());
        var all = Gather(mine);
        (first, other) = (all[0][..lengths[0]], all[rank][..lengths[rank]]);
        return rank;
    }
}
