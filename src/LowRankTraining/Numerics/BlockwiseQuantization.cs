namespace LowRankTraining.Numerics;

/// <summary>Stores numbers in 8 or 4 bits each, with one scale for every block.</summary>
/// <remarks>
/// <para>The tensor is flattened row by row and cut into blocks; code = nearest entry of the table to x / max|block|, and it decodes to table[code] ·
/// max|block|.</para>
/// <para>Zero decodes to exactly zero where the table has a zero, and a block of nothing but zeros always does. A block with a NaN decodes to NaN; one with an
/// infinity to anything. Where max|block| is subnormal the block loses precision: it is below 1.2e-38.</para>
/// <para>Stochastic rounding takes one of the two entries around x / max|block|, so that the expected value is exact: everywhere with the tables that end in −1
/// and 1, up to the lowest entry with the others.</para>
/// <para>Bytes: 1 + 4 / block for each element with 8 bits, ½ + 4 / block with 4. Scratch: none for float32 on a CPU, which rounds to nearest in one pass on
/// all its cores; a few MiB otherwise, and a copy of values that are not contiguous.</para>
/// <para>Source: Dettmers et al., arXiv 2110.02861; 4 bits: Li et al., arXiv 2309.01507.</para>
/// </remarks>
internal static class BlockwiseQuantization
{
    /// <summary>Quantizes a tensor.</summary>
    /// <param name="values">Floating-point, any shape, any strides.</param>
    /// <param name="table">The code.</param>
    /// <param name="block">Elements that share a scale; even for 4-bit codes. The last block may have fewer.</param>
    /// <param name="stochastic">Draws the roundings; null rounds to nearest.</param>
    /// <returns>Codes: uint8, in the shape of <paramref name="values"/>; 4-bit codes two per byte, the first in the high half, along one axis. AbsMax: float32,
    /// one for each block.</returns>
    /// <exception cref="ArgumentException">The block is below 1, or odd with 4-bit codes.</exception>
    public static (Tensor Codes, Tensor AbsMax) Quantize(Tensor values, CodeTable table, int block, Generator? stochastic = null)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(table);
        var blocks = Blocks.Of(values.numel(), block, table.Bits);

        using var scope = NewDisposeScope();
        var flat = values.detach().reshape(-1);
        var codes = PackedCodes.Empty(values.shape, table.Bits, values.device);
        var absMax = empty([blocks.Count], ScalarType.Float32, values.device);
        var bytes = codes.view(-1);

        blocks.ForEach(values.device, chunk =>
            Encode(chunk, chunk.Of(flat).to(ScalarType.Float32), bytes, absMax, table, stochastic), isOrdered: stochastic is not null || !values.IsSingle());

        return (codes.MoveToOuterDisposeScope(), absMax.MoveToOuterDisposeScope());
    }

    /// <summary>The numbers that the codes stand for.</summary>
    /// <param name="codes">As <see cref="Quantize"/> gave them.</param>
    /// <param name="absMax">As <see cref="Quantize"/> gave it.</param>
    /// <param name="table">The code.</param>
    /// <param name="block">Elements that share a scale.</param>
    /// <param name="shape">Shape of the result.</param>
    /// <param name="dtype">Type of the result; the arithmetic is in float32.</param>
    /// <exception cref="ArgumentException">Codes or scales are not as many as the shape asks for.</exception>
    public static Tensor Dequantize(Tensor codes, Tensor absMax, CodeTable table, int block, long[] shape, ScalarType dtype)
    {
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(absMax);
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(shape);
        var blocks = Blocks.Of(shape.Elements(), block, table.Bits);
        blocks.Check(codes, absMax, table.Bits);

        using var scope = NewDisposeScope();
        var result = empty(shape, dtype, codes.device);
        var (flat, bytes, scales) = (result.view(-1), codes.reshape(-1).contiguous(), absMax.to(ScalarType.Float32).contiguous());

        blocks.ForEach(codes.device, chunk => Decode(chunk, bytes, scales, table, chunk.Of(flat)), isOrdered: !result.IsSingle());

        return result.MoveToOuterDisposeScope();
    }

    /// <summary>Adds to quantized numbers and quantizes the sums, a chunk at a time: the whole is never decoded.</summary>
    /// <param name="codes">As <see cref="Quantize"/> gave them; changed in place.</param>
    /// <param name="absMax">As <see cref="Quantize"/> gave it; changed in place.</param>
    /// <param name="table">The code.</param>
    /// <param name="block">Elements that share a scale.</param>
    /// <param name="elements">Numbers that are quantized.</param>
    /// <param name="change">What is added to a chunk, float32, one axis.</param>
    /// <param name="stochastic">Draws the roundings; null rounds to nearest.</param>
    /// <param name="loss">Takes what the rounding has lost, float32, contiguous; null where nobody asks.</param>
    internal static void Add(
        Tensor codes, Tensor absMax, CodeTable table, int block, long elements, Func<BlockChunk, Tensor> change,
        Generator? stochastic = null, Tensor? loss = null)
    {
        var blocks = Blocks.Of(elements, block, table.Bits);
        blocks.Check(codes, absMax, table.Bits);
        using var scope = NewDisposeScope();
        var (bytes, lost) = (codes.view(-1), loss?.view(-1));

        blocks.ForEach(
            codes.device,
            chunk =>
            {
                var sum = Decode(chunk, bytes, absMax, table);
                using (var part = change(chunk))
                    sum.add_(part);
                Encode(chunk, sum, bytes, absMax, table, stochastic);
                if (lost is not null)
                    chunk.Of(lost).copy_(sum.sub_(Decode(chunk, bytes, absMax, table)));
            },
            isOrdered: true);
    }

    /// <summary>Quantizes a chunk.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="numbers">float32, one axis.</param>
    /// <param name="bytes">Takes the codes.</param>
    /// <param name="absMax">Takes the scales.</param>
    /// <param name="table">The code.</param>
    /// <param name="stochastic">Draws the roundings; null rounds to nearest.</param>
    private static void Encode(BlockChunk chunk, Tensor numbers, Tensor bytes, Tensor absMax, CodeTable table, Generator? stochastic)
    {
        using var scope = NewDisposeScope();
        var (codes, scales) = (chunk.CodesOf(bytes, table.Bits), chunk.ScalesOf(absMax));
        if (stochastic is null && numbers.IsHere() && scales.IsSingle())
        {
            table.OnSpans.Encode(numbers.contiguous().Floats(), chunk.Size, codes.bytes, scales.Floats());
            return;
        }

        var rows = chunk.Rows(numbers);
        using var size = rows.abs();
        var largest = size.amax(1L);
        var x = size.copy_(rows).mul_(Reciprocal(largest));
        if (table.KeepsPositive)
            x = maximum(x, rows.clamp_max(Precision.SmallestNormal));
        var packed = PackedCodes.Pack(stochastic is null ? table.Encode(x) : table.Encode(x, stochastic), table.Bits);

        codes.copy_(packed.narrow(0, 0, codes.numel()));
        scales.copy_(largest);
    }

    /// <summary>The numbers of a chunk: float32, one axis.</summary>
    private static Tensor Decode(BlockChunk chunk, Tensor bytes, Tensor absMax, CodeTable table)
    {
        var numbers = empty([chunk.Length], ScalarType.Float32, bytes.device);
        Decode(chunk, bytes, absMax, table, numbers);
        return numbers;
    }

    private static void Decode(BlockChunk chunk, Tensor bytes, Tensor absMax, CodeTable table, Tensor target)
    {
        using var scope = NewDisposeScope();
        var (codes, scales) = (chunk.CodesOf(bytes, table.Bits), chunk.ScalesOf(absMax));
        if (bytes.IsHere() && scales.IsSingle())
        {
            target.WriteFloats(numbers => table.OnSpans.Decode(codes.bytes, scales.Floats(), chunk.Size, numbers));
            return;
        }

        var rows = chunk.Rows(table.Decode(codes));
        target.copy_(chunk.Flat(rows.mul_(scales.unsqueeze(1))));
    }

    private static Tensor Reciprocal(Tensor largest) => largest.clamp_min(Precision.SmallestNormal).reciprocal_().unsqueeze(1);
}
