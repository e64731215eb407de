namespace LowRankTraining.Numerics;

/// <summary>A flattened tensor cut into blocks that share a scale; the last may be partial.</summary>
/// <remarks>Blocks are worked on many at a time, but not all: quantizing needs several numbers of scratch for each entry, so scratch stays at a few MiB however
/// large the tensor, and below half of it where it is not small.</remarks>
internal readonly record struct Blocks(long Elements, int Size)
{
    private const long SmallestChunk = 1 << 14, LargestChunk = 1 << 18, LargestBlock = 1 << 20, WorthSharing = 1 << 16;

    public long Count => (Elements + Size - 1) / Size;

    public IEnumerable<BlockChunk> Chunks
    {
        get
        {
            var whole = Math.Max(1, Math.Clamp(Elements / 8, SmallestChunk, LargestChunk) / Size) * Size;
            for (long start = 0; start < Elements; start += whole)
                yield return new(start, Math.Min(whole, Elements - start), Size);
        }
    }

    /// <summary>Works on every chunk: on a CPU on several at once, where there are numbers enough.</summary>
    /// <param name="where">Where the numbers are.</param>
    /// <param name="work">What is done to a chunk, on any thread; tensors that it makes are freed after it.</param>
    /// <param name="isOrdered">Whether one chunk must follow the other: because they draw from the same stream, or are converted by operations on tensors,
    /// which have threads of their own.</param>
    public void ForEach(Device where, Action<BlockChunk> work, bool isOrdered = false)
    {
        if (where.type.IsHere() && !isOrdered && Elements >= WorthSharing)
            Parallel.ForEach(Chunks, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() }, Do);
        else
            foreach (var chunk in Chunks)
                Do(chunk);

        void Do(BlockChunk chunk)
        {
            using var temporaries = NewDisposeScope();
            work(chunk);
        }
    }

    /// <summary>Checks the arguments that every quantization shares.</summary>
    /// <exception cref="ArgumentException">Not a block that the codes can be cut into.</exception>
    public static Blocks Of(long elements, int size, int bits)
    {
        if (size < 1)
            throw new ArgumentException($"A block needs at least one element, not {size}; 256 for 8 bits and 128 for 4 are usual.", nameof(size));
        if (size > LargestBlock)
            throw new ArgumentException($"A block of {size} would fill up the last one with more numbers than any tensor has; take at most {LargestBlock}. "
                + "256 and 128 are usual.", nameof(size));
        if (bits == 4 && size % 2 != 0)
            throw new ArgumentException($"Two 4-bit codes share a byte, so a block of {size} would end inside one; take an even size.", nameof(size));
        return new(elements, size);
    }

    /// <summary>Checks that codes and scales are those of so many elements.</summary>
    /// <exception cref="ArgumentException">They are not.</exception>
    public void Check(Tensor codes, Tensor scales, int bits)
    {
        var bytes = PackedCodes.Bytes(Elements, bits);
        if (codes.numel() != bytes)
            throw new ArgumentException($"{Elements} elements of {bits} bits take {bytes} bytes of codes, but there are {codes.numel()}; "
                + "pass the shape that was quantized.", nameof(codes));
        if (scales.numel() != Count)
            throw new ArgumentException($"{Elements} elements make {Count} blocks of {Size}, but there are {scales.numel()} scales; "
                + "pass the block size that was used.", nameof(scales));
    }
}

/// <summary>Consecutive blocks: <see cref="Length"/> elements from <see cref="Start"/>.</summary>
internal readonly record struct BlockChunk(long Start, long Length, int Size)
{
    public long Count => (Length + Size - 1) / Size;

    /// <summary>The chunk's part of a flattened tensor.</summary>
    public Tensor Of(Tensor flat) => flat.narrow(0, Start, Length);

    /// <summary>The chunk's part of a tensor with one number for each block.</summary>
    public Tensor ScalesOf(Tensor scales) => scales.narrow(0, Start / Size, Count);

    /// <summary>The chunk's part of packed codes.</summary>
    public Tensor CodesOf(Tensor bytes, int bits) => bytes.narrow(0, PackedCodes.Bytes(Start, bits), PackedCodes.Bytes(Length, bits));

    /// <summary>blocks × size, the last row filled up with zeros.</summary>
    public Tensor Rows(Tensor flat)
    {
        var missing = Count * Size - flat.numel();
        return missing == 0 ? flat.view(Count, Size) : nn.functional.pad(flat, (0, missing)).view(Count, Size);
    }

    /// <summary>The inverse of <see cref="Rows"/>.</summary>
    public Tensor Flat(Tensor rows) => rows.view(-1).narrow(0, 0, Length);
}
