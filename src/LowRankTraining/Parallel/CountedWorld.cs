namespace LowRankTraining;

/// <summary>Counts the bytes that a process sends.</summary>
/// <remarks>Of n bytes and on P ranks, an all-to-all and a reduce-scatter send (P − 1) n / P, an all-gather of parts of n bytes (P − 1) n, a broadcast n from
/// its rank, and an all-reduce 2 (P − 1) n / P, where n is lengthened to a multiple of P.</remarks>
internal sealed class CountedWorld(ICollective inner) : ICollective
{
    private readonly CountedWorld? _background = inner.Background is { } background ? new(background) : null;
    private long _bytes;

    /// <value>Bytes sent so far by this process, in the background too.</value>
    public long BytesSent => Interlocked.Read(ref _bytes) + (_background?.BytesSent ?? 0);

    public ICollective? Background => _background;

    public int Rank => inner.Rank;

    public int Size => inner.Size;

    public int Lanes => inner.Lanes;

    /// <value>L / P, micro-batches of a process in a step, where they are added up lane by lane; else 1.</value>
    public int LanesHere => Lanes / Size;

    public void AllToAll(Tensor sent, Tensor received)
    {
        inner.AllToAll(sent, received);
        Count(ToOthers(sent));
    }

    public void AllGather(Tensor part, Tensor all)
    {
        inner.AllGather(part, all);
        Count((Size - 1) * BytesOf(part));
    }

    public void Broadcast(Tensor tensor, int from)
    {
        inner.Broadcast(tensor, from);
        if (from == Rank && Size > 1)
            Count(BytesOf(tensor));
    }

    public bool ExchangesInPairs => inner.ExchangesInPairs;

    public void Exchange(Tensor sent, Tensor received, int with)
    {
        inner.Exchange(sent, received, with);
        Count(BytesOf(sent));
    }

    public void ReduceScatter(Tensor tensor, Tensor part)
    {
        inner.ReduceScatter(tensor, part);
        Count(ToOthers(tensor));
    }

    public void AllReduce(Tensor tensor)
    {
        inner.AllReduce(tensor);
        Count(2 * (Size - 1) * (TreeSum.PaddedLength(tensor.numel(), Size) / Size) * tensor.ElementSize);
    }

    private void Count(long bytes) => Interlocked.Add(ref _bytes, bytes);

    private long ToOthers(Tensor tensor) => BytesOf(tensor) / Size * (Size - 1);

    private static long BytesOf(Tensor tensor) => tensor.numel() * tensor.ElementSize;
}
