namespace LowRankTraining.Numerics;

/// <summary>Stores numbers in 8 or 4 bits each, with one scale and one zero point for every group: Q-GaLore's
/// format for bases (4 bits) and weights (8).</summary>
/// <remarks>
/// <para>The tensor is flattened row by row and cut into groups; the last may be partial. With L = 2ᵇ − 1: scale = (max − min) / L, zero = round(−min / scale),
/// code = round(x / scale) + zero, and it decodes to scale · (code − zero). The range always includes zero, which therefore decodes to exactly zero; every
/// other error is at most half a scale.</para>
/// <para>Stochastic rounding gives ⌊x / scale⌋ or one more, the latter with the probability of the fraction. It takes L − 1 steps instead of L and zero = ⌈−min
/// / scale⌉: the spare step keeps the ends of the range from being clipped, so the expected value is exact everywhere.</para>
/// <para><see cref="Compatibility.ReferenceCode"/>: the range is max − min of the values alone, at least 1e-5, and the zero point is clipped to [0, L]; groups
/// that are all positive or all negative then saturate, and groups of small values become zeros.</para>
/// <para>Bytes: b / 8 + 5 / group for each element. Scratch: a few MiB, next to none for float32 on a CPU; a copy of values that are not contiguous.</para>
/// <para>Source: Zhang et al., Q-GaLore, arXiv 2407.08296, and the authors' code, which keeps 4-bit codes one per byte.</para>
/// </remarks>
internal static class AffineQuantization
{
    /// <summary>Group size of the authors.</summary>
    public const int DefaultGroup = 256;

    private const double ReferenceRange = 1e-5;

    /// <summary>Quantizes a tensor.</summary>
    /// <param name="values">Floating-point, any shape, any strides, finite.</param>
    /// <param name="bits">8 or 4.</param>
    /// <param name="group">Elements that share a scale; even for 4 bits.</param>
    /// <param name="stochastic">Draws the roundings; null rounds to nearest, half to even.</param>
    /// <param name="compatibility">Whether to saturate as the authors' code does.</param>
    /// <returns>Codes: uint8, in the shape of <paramref name="values"/>; 4-bit codes two per byte, the first in the high half, along one axis. Scales: float32;
    /// Zeros: uint8; one for each group.</returns>
    /// <exception cref="ArgumentException">Another number of bits; a group below 1, or odd with 4 bits.</exception>
    public static (Tensor Codes, Tensor Scales, Tensor Zeros) Quantize(
        Tensor values, int bits, int group = DefaultGroup, Generator? stochastic = null, Compatibility compatibility = Compatibility.Paper)
    {
        ArgumentNullException.ThrowIfNull(values);
        return Quantize(values, bits, group, stochastic is null ? null : UniformRows(stochastic, values.device), compatibility);
    }

    /// <summary>Uniform numbers for every chunk: on a CPU by their places.</summary>
    private static Func<BlockChunk, Tensor> UniformRows(Generator generator, Device device)
    {
        if (!device.type.IsHere())
            return chunk => generator.Uniform([chunk.Count, chunk.Size], ScalarType.Float32, device);

        var uniform = SpanUniform.From(generator);
        return chunk =>
        {
            var rows = empty(chunk.Count, chunk.Size, ScalarType.Float32, CPU);
            uniform.Fill((uint)chunk.Start, rows.Floats());
            return rows;
        };
    }

    /// <summary>Quantizes stochastically with given uniform numbers instead of drawn ones: for results that must be repeated elsewhere.</summary>
    /// <param name="values">As above.</param>
    /// <param name="uniform">In [0, 1), as many as <paramref name="values"/> has elements: an entry is rounded up where its number is below the
    /// fraction.</param>
    /// <param name="bits">8 or 4.</param>
    /// <param name="group">Elements that share a scale; even for 4 bits.</param>
    /// <param name="compatibility">Whether to saturate as the authors' code does.</param>
    /// <exception cref="ArgumentException">As above; not as many uniform numbers as elements.</exception>
    public static (Tensor Codes, Tensor Scales, Tensor Zeros) QuantizeWith(
        Tensor values, Tensor uniform, int bits, int group = DefaultGroup, Compatibility compatibility = Compatibility.Paper)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(uniform);
        if (uniform.numel() != values.numel())
            throw new ArgumentException($"Every element needs its own uniform number: {values.numel()}, not {uniform.numel()}.", nameof(uniform));

        using var flat = uniform.to(ScalarType.Float32).reshape(-1).contiguous();
        return Quantize(values, bits, group, chunk => chunk.Rows(chunk.Of(flat)), compatibility);
    }

    /// <summary>The numbers that the codes stand for.</summary>
    /// <param name="codes">As <see cref="Quantize(Tensor, int, int, Generator?, Compatibility)"/> gave them, and so the rest.</param>
    /// <param name="scales">One for each group.</param>
    /// <param name="zeros">One for each group.</param>
    /// <param name="bits">8 or 4.</param>
    /// <param name="group">Elements that share a scale.</param>
    /// <param name="shape">Shape of the result.</param>
    /// <param name="dtype">Type of the result; the arithmetic is in float32.</param>
    /// <exception cref="ArgumentException">Codes or scales are not as many as the shape asks for.</exception>
    public static Tensor Dequantize(Tensor codes, Tensor scales, Tensor zeros, int bits, int group, long[] shape, ScalarType dtype)
    {
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(scales);
        ArgumentNullException.ThrowIfNull(zeros);
        ArgumentNullException.ThrowIfNull(shape);
        Check(bits);
        var blocks = Blocks.Of(shape.Elements(), group, bits);
        blocks.Check(codes, scales, bits);

        using var scope = NewDisposeScope();
        var result = empty(shape, dtype, codes.device);
        var (flat, bytes, steps) = (result.view(-1), codes.reshape(-1).contiguous(), scales.to(ScalarType.Float32).contiguous());
        var zeroPoints = zeros.contiguous();

        blocks.ForEach(codes.device, chunk => Decode(chunk, bytes, steps, zeroPoints, bits, chunk.Of(flat)), isOrdered: !result.IsSingle());

        return result.MoveToOuterDisposeScope();
    }

    private static (Tensor Codes, Tensor Scales, Tensor Zeros) Quantize(
        Tensor values, int bits, int group, Func<BlockChunk, Tensor>? uniform, Compatibility compatibility)
    {
        Check(bits);
        var blocks = Blocks.Of(values.numel(), group, bits);

        using var scope = NewDisposeScope();
        var flat = values.detach().reshape(-1);
        var codes = PackedCodes.Empty(values.shape, bits, values.device);
        var scales = empty([blocks.Count], ScalarType.Float32, values.device);
        var zeroPoints = empty([blocks.Count], ScalarType.Byte, values.device);
        var bytes = codes.view(-1);

        blocks.ForEach(
            values.device,
            chunk =>
            {
                var x = chunk.Of(flat).to(ScalarType.Float32);
                var uniformRows = uniform?.Invoke(chunk);
                var target = (chunk.CodesOf(bytes, bits), chunk.ScalesOf(scales), chunk.ScalesOf(zeroPoints));
                if (x.IsHere() && compatibility == Compatibility.Paper)
                    EncodeOnHost(x.contiguous(), uniformRows is null ? null : chunk.Flat(uniformRows), bits, group, target);
                else
                    EncodeOnDevice(chunk.Rows(x), uniformRows, bits, compatibility, target);
            },
            isOrdered: !values.IsSingle());

        return (codes.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope(), zeroPoints.MoveToOuterDisposeScope());
    }

    private static void EncodeOnHost(Tensor numbers, Tensor? uniform, int bits, int group, (Tensor Codes, Tensor Scales, Tensor Zeros) target) =>
        SpanAffine.Encode(
            numbers.Floats(), uniform is null ? [] : uniform.Floats(), bits, group, target.Codes.bytes, target.Scales.Floats(), target.Zeros.bytes);

    private static void EncodeOnDevice(Tensor rows, Tensor? uniform, int bits, Compatibility compatibility, (Tensor Codes, Tensor Scales, Tensor Zeros) target)
    {
        var levels = (1 << bits) - 1;
        var (scale, zero) = compatibility == Compatibility.ReferenceCode ? ReferenceGrid(rows, levels) : Grid(rows, levels, uniform is not null);
        var steps = rows / scale;
        var rounded = uniform is null ? steps.round_() : RoundStochastically(steps, uniform);
        var packed = PackedCodes.Pack(rounded.add_(zero).clamp_(0, levels), bits);

        target.Codes.copy_(packed.narrow(0, 0, target.Codes.numel()));
        target.Scales.copy_(scale.squeeze(1));
        target.Zeros.copy_(zero.squeeze(1));
    }

    private static void Decode(BlockChunk chunk, Tensor bytes, Tensor scales, Tensor zeros, int bits, Tensor target)
    {
        var (codes, chunkScales, chunkZeros) = (chunk.CodesOf(bytes, bits), chunk.ScalesOf(scales), chunk.ScalesOf(zeros));
        if (bytes.IsHere())
        {
            target.WriteFloats(numbers => SpanAffine.Decode(codes.bytes, chunkScales.Floats(), chunkZeros.bytes, bits, chunk.Size, numbers));
            return;
        }

        var x = chunk.Rows(PackedCodes.Unpack(codes, bits).to(ScalarType.Float32));
        x.sub_(chunkZeros.unsqueeze(1)).mul_(chunkScales.unsqueeze(1));
        target.copy_(chunk.Flat(x));
    }

    private static (Tensor Scale, Tensor Zero) Grid(Tensor x, int levels, bool stochastic)
    {
        var (min, max) = x.aminmax(1, keepdim: true);
        min.clamp_max_(0);
        max.clamp_min_(0);

        var scale = max.sub_(min).div_(stochastic ? levels - 1 : levels).clamp_min_(Precision.SmallestNormal);
        var zero = min.neg_().div_(scale);
        return (scale, stochastic ? zero.ceil_() : zero.round_());
    }

    private static (Tensor Scale, Tensor Zero) ReferenceGrid(Tensor x, int levels)
    {
        var (min, max) = x.aminmax(1, keepdim: true);
        var scale = max.sub_(min).clamp_min_(ReferenceRange).div_(levels);
        return (scale, (min / scale).round_().neg_().clamp_(0, levels));
    }

    private static Tensor RoundStochastically(Tensor steps, Tensor uniform)
    {
        var floor = steps.floor();
        return floor.add_(steps.sub_(floor).gt_(uniform));
    }

    private static void Check(int bits)
    {
        if (bits is not (8 or 4))
            throw new ArgumentException($"A code has 8 or 4 bits, not {bits}.", nameof(bits));
    }
}
