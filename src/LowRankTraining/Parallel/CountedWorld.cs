using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>Counts the bytes that a process sends.</summary>
/// <remarks>Of n bytes and on P ranks, an all-to-all and a reduce-scatter send (P − 1) n / P, an all-gather of parts of n bytes (P − 1) n, a broadcast n from
/// its rank, and an all-reduce 2 (P − 1) n / P, where n is lengthened to a multiple of P.</remarks>
internal sealed class CountedWorld(ICollective inner) : ICollective
{
    /// <value>Bytes sent so far by this process.</value>
    public long BytesSent { get; private set; }

    /// <inheritdoc/>
    public int Rank => inner.Rank;

    /// <inheritdoc/>
    public int Size => inner.Size;

    /// <inheritdoc/>
    public int Lanes => inner.Lanes;

    /// <inheritdoc/>
    public void AllToAll(Tensor sent, Tensor received)
    {
        inner.AllToAll(sent, received);
        BytesSent += ToOthers(sent);
    }

    /// <inheritdoc/>
    public void AllGather(Tensor part, Tensor all)
    {
        inner.AllGather(part, all);
        BytesSent += (Size - 1) * BytesOf(part);
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int from)
    {
        inner.Broadcast(tensor, from);
        if (from == Rank && Size > 1)
            BytesSent += BytesOf(tensor);
    }

    /// <inheritdoc/>
    public bool ExchangesInPairs => inner.ExchangesInPairs;

    /// <inheritdoc/>
    public void Exchange(Tensor sent, Tensor received, int with)
    {
        inner.Exchange(sent, received, with);
        BytesSent += BytesOf(sent);
    }

    /// <inheritdoc/>
    public void ReduceScatter(Tensor tensor, Tensor part)
    {
        inner.ReduceScatter(tensor, part);
        BytesSent += ToOthers(tensor);
    }

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor)
    {
        inner.AllReduce(tensor);
        BytesSent += 2 * (Size - 1) * (TreeSum.PaddedLength(tensor.numel(), Size) / Size) * tensor.ElementSize;
    }

    private long ToOthers(Tensor tensor) => BytesOf(tensor) / Size * (Size - 1);

    private static long BytesOf(Tensor tensor) => tensor.numel() * tensor.ElementSize;
}
