using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>Sums whose order is that of a binary tree: (x₀ + x₁) + (x₂ + x₃) + … Equal subtrees can be added up in one place or in several.</summary>
internal static class TreeSum
{
    /// <summary>Sends every part to its rank and adds up there, in float32 for shorter numbers.</summary>
    public static void ReduceScatter(ICollective world, Tensor tensor, Tensor part)
    {
        using var scope = NewDisposeScope();
        var received = empty_like(tensor);
        world.AllToAll(tensor, received);
        part.copy_(Of((received.is_floating_point() ? received.Widened() : received).chunk(world.Size)));
    }

    /// <summary>A reduce-scatter, then an all-gather. A tensor whose length is no multiple of the number of ranks travels with zeros behind it.</summary>
    public static void AllReduce(ICollective world, Tensor tensor)
    {
        if (world.Size == 1)
            return;

        using var scope = NewDisposeScope();
        var length = tensor.numel();
        var padded = PaddedLength(length, world.Size);
        var whole = tensor;
        if (padded != length)
        {
            whole = zeros(padded, tensor.dtype, tensor.device);
            whole.narrow(0, 0, length).copy_(tensor);
        }

        var part = empty(padded / world.Size, tensor.dtype, tensor.device);
        world.ReduceScatter(whole, part);
        world.AllGather(part, whole);
        if (padded != length)
            tensor.copy_(whole.narrow(0, 0, length));
    }

    /// <summary>What a vector is lengthened to, so that every rank has a part of the same length.</summary>
    public static long PaddedLength(long length, int size) => (length + size - 1) / size * size;

    /// <summary>Adds up in place.</summary>
    /// <param name="parts">At least one. They are changed.</param>
    /// <returns>The first of them.</returns>
    public static Tensor Of(Tensor[] parts)
    {
        for (var distance = 1; distance < parts.Length; distance *= 2)
            for (var place = 0; place + distance < parts.Length; place += 2 * distance)
                parts[place].add_(parts[place + distance]);
        return parts[0];
    }
}
