namespace LowRankTraining;

/// <summary>Processes that train one model together, and what they exchange.</summary>
/// <remarks>
/// <para>Every process calls the same methods in the same order, with tensors of the same shape and dtype: contiguous, on whatever device the engine can reach.
/// A call returns when the result is there.</para>
/// <para>An engine implements three exchanges, or four; sums are made from them. A sum of parts x₀ … x₍P₋₁₎ is that of a fixed binary tree,
/// (x₀ + x₁) + (x₂ + x₃) + …, in float32 for shorter numbers and rounded once: it has the same bits on every rank, whatever the engine and the network, and
/// where P is a power of two also those that fewer processes get which add up their own parts by the same tree (<see cref="Lanes"/>).</para>
/// </remarks>
public interface ICollective
{
    /// <value>This process, from 0 to <see cref="Size"/> − 1.</value>
    int Rank { get; }

    /// <value>P, the number of processes.</value>
    int Size { get; }

    /// <value>L, the number of micro-batches of equal size into which all processes together divide the batch of a step, a multiple of <see cref="Size"/>. Each
    /// process accumulates L / P of them, rank 0 the first ones. Where L is a power of two, a step has the same bits for every P that divides it.
    /// Default: P.</value>
    int Lanes => Size;

    /// <summary>Exchanges parts: the k-th of the P equal parts of <paramref name="sent"/> goes to rank k.</summary>
    /// <param name="sent">A vector whose length is a multiple of P.</param>
    /// <param name="received">As long; its k-th part comes from rank k. Another tensor than <paramref name="sent"/>.</param>
    void AllToAll(Tensor sent, Tensor received);

    /// <summary>Gives everybody the parts of all, in the order of ranks.</summary>
    /// <param name="part">This process's, a vector.</param>
    /// <param name="all">P times as long. Another tensor than <paramref name="part"/>.</param>
    void AllGather(Tensor part, Tensor all);

    /// <summary>Gives everybody the numbers of one rank.</summary>
    /// <param name="tensor">A vector: read on rank <paramref name="from"/>, written on the others.</param>
    /// <param name="from">The rank that has them.</param>
    void Broadcast(Tensor tensor, int from);

    /// <value>Whether <see cref="Exchange"/> is there: sums of float32 and float64 over 2ᵏ processes then take k exchanges in either direction, each with one
    /// other process. Default false.</value>
    bool ExchangesInPairs => false;

    /// <summary>Exchanges numbers with one other process, which calls it with this one.</summary>
    /// <param name="sent">A vector, which may be empty.</param>
    /// <param name="received">As long as what the other one sends. No part of <paramref name="sent"/>.</param>
    /// <param name="with">The other process.</param>
    /// <exception cref="NotSupportedException">The engine does not have it. Default.</exception>
    void Exchange(Tensor sent, Tensor received, int with) =>
        throw new NotSupportedException($"{GetType().Name} does not exchange in pairs.");

    /// <value>The same processes by a channel of its own, which another thread may use while this one is used: what is there before the step is sent by it.
    /// Default null: the engine has none, and everything is sent in the step.</value>
    ICollective? Background => null;

    /// <summary>Adds up over the ranks; each gets one part of the sum.</summary>
    /// <param name="tensor">A vector whose length is a multiple of P: what this process adds.</param>
    /// <param name="part">The part of the sum with the number of this rank; of a length P times shorter.</param>
    void ReduceScatter(Tensor tensor, Tensor part) => TreeSum.ReduceScatter(this, tensor, part);

    /// <summary>Adds up over the ranks, in place.</summary>
    /// <param name="tensor">A vector of any length.</param>
    void AllReduce(Tensor tensor) => TreeSum.AllReduce(this, tensor);
}
