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

    /// <summary>Adds up over the ranks, in place, by the fastest way that the world has.</summary>
    public static void AllReduce(ICollective world, Tensor tensor)
    {
        if (world.Size == 1)
            return;

        using var scope = NewDisposeScope();
        if (world.ExchangesInPairs && int.IsPow2(world.Size) && tensor.dtype.Computing() == tensor.dtype && tensor.numel() >= world.Size)
            InPairs(world, tensor);
        else
            InParts(world, tensor);
    }

    /// <summary>Halves are exchanged with the neighbor, quarters with the neighbor's neighbor, and so on: after each exchange a level of the tree is added up.
    /// Then back, with the sums.</summary>
    private static void InPairs(ICollective world, Tensor tensor)
    {
        var received = empty((tensor.numel() + 1) / 2, tensor.dtype, tensor.device);
        var levels = new Stack<(Tensor Mine, Tensor Theirs, int With)>();
        var rest = tensor;
        for (var distance = 1; distance < world.Size; distance *= 2)
        {
            var middle = rest.numel() / 2;
            var (lower, upper) = (rest.narrow(0, 0, middle), rest.narrow(0, middle, rest.numel() - middle));
            var (mine, theirs) = (world.Rank & distance) == 0 ? (lower, upper) : (upper, lower);
            var addend = received.narrow(0, 0, mine.numel());
            world.Exchange(theirs, addend, world.Rank ^ distance);
            mine.add_(addend);
            levels.Push((mine, theirs, world.Rank ^ distance));
            rest = mine;
        }

        foreach (var (mine, theirs, with) in levels)
            world.Exchange(mine, theirs, with);
    }

    /// <summary>A reduce-scatter, then an all-gather. A tensor whose length is no multiple of the number of ranks travels with zeros behind it.</summary>
    private static void InParts(ICollective world, Tensor tensor)
    {
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
