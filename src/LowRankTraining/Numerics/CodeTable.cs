using System.Collections.Concurrent;

namespace LowRankTraining.Numerics;

/// <summary>The numbers that a short code can stand for, in ascending order; the largest is 1.</summary>
/// <remarks>
/// <para>The dynamic codes of b bits spend them as floating-point numbers do: b − 1 decades below 1, each with twice as many entries as the decade below it.
/// Decade i = 0 … b − 2 splits [0.1, 1] into Kᵢ equal intervals and takes their midpoints times 10^(i − b + 2): Kᵢ = 2ⁱ for signed codes, which also take the
/// negatives, and 2ⁱ⁺¹ for unsigned ones. 0 and 1 complete the table, so that zero and the largest entry of a block are exact, and a negative largest entry is
/// not: it decodes to −0.993 of its size (8 bits) or −0.8875 (4 bits).</para>
/// <para>Source: Dettmers et al., 8-bit Optimizers via Block-wise Quantization, arXiv 2110.02861; 4 bits: Li et al., Memory Efficient Optimizers with 4-bit
/// States, arXiv 2309.01507. The numbers are those of bitsandbytes and torchao.</para>
/// </remarks>
internal sealed class CodeTable
{
    private readonly float[] _values;
    private readonly float[] _midpoints;
    private readonly ConcurrentDictionary<(DeviceType, int), Lazy<DeviceTables>> _onDevice = new();

    private CodeTable(int bits, bool signed, IEnumerable<double> values, bool keepsPositive = false)
    {
        Bits = bits;
        Signed = signed;
        KeepsPositive = keepsPositive;
        _values = [.. values.Order().Select(value => (float)value)];
        _midpoints = [.. _values.Zip(_values.Skip(1), (low, high) => (low + high) / 2)];
        if (keepsPositive)
            _midpoints[0] = 0;
        OnSpans = new(_values, _midpoints, inclusive: bits == 4) { KeepsPositive = keepsPositive };
    }

    /// <value>Dynamic, 8 bits, −0.99296875 … 1, smallest positive entry 5.5e-7: for first moments.</value>
    public static CodeTable Dynamic8Signed { get; } = new(8, signed: true, Dynamic(8, signed: true));

    /// <value>Dynamic, 8 bits, 0 … 1, smallest positive entry 3.25e-7: for second moments.</value>
    public static CodeTable Dynamic8Unsigned { get; } = new(8, signed: false, Dynamic(8, signed: false));

    /// <value>The values of <see cref="Dynamic8Unsigned"/>, of which only zero itself takes the code of zero: whatever is above takes at least the lowest
    /// value above zero.
    /// A second moment that was rounded away would let the first one, divided by ε alone, step by thousands of learning rates.</value>
    public static CodeTable Dynamic8Positive { get; } = new(8, signed: false, Dynamic(8, signed: false), keepsPositive: true);

    /// <value>Dynamic, 4 bits, −0.8875 … 1, smallest positive entry 0.0055: for first moments.</value>
    public static CodeTable Dynamic4Signed { get; } = new(4, signed: true, Dynamic(4, signed: true));

    /// <value>k / 16, 4 bits, k = 1 … 16: for second moments. Zero is not among them, so that no step is divided by
    /// the root of a second moment that was rounded away.</value>
    public static CodeTable Linear4Unsigned { get; } = new(4, signed: false, Enumerable.Range(1, 16).Select(k => k / 16.0));

    /// <value>NormalFloat, 4 bits, −1 … 1 with both ends and zero exact: the means of sixteen equally likely intervals of a normal distribution, for
    /// weights.</value>
    /// <remarks>Source: Dettmers et al., QLoRA, arXiv 2305.14314, appendix E; the numbers are those of bitsandbytes.</remarks>
    public static CodeTable NF4 { get; } = new(4, signed: true,
    [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
        0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ]);

    /// <value>k / 127, 8 bits, k = −128 … 127: for weights. Both ends and zero are exact; the lowest value is
    /// there to fill the table, and no block takes it.</value>
    public static CodeTable Linear8Signed { get; } = new(8, signed: true, Enumerable.Range(-128, 256).Select(k => k / 127.0));

    /// <value>y / (2 − |y|) with y = k / 127, 8 bits, k = −128 … 127: numbers x of which 2x / (1 + |x|) is evenly spaced. Both ends and zero are exact; the
    /// lowest value is there to fill the table. For first moments.</value>
    /// <remarks>Source: FlashOptim, arXiv 2602.23349, which rounds y, where this table rounds x.</remarks>
    public static CodeTable Companded8Signed { get; } =
        new(8, signed: true, Enumerable.Range(-128, 256).Select(k => k / 127.0).Select(y => y / (2 - Math.Abs(y))));

    /// <value>(k / 255)², 8 bits, k = 0 … 255: numbers whose roots are evenly spaced. Only zero itself takes the code of zero, as with
    /// <see cref="Dynamic8Positive"/>. For second moments.</value>
    public static CodeTable Companded8Positive { get; } =
        new(8, signed: false, Enumerable.Range(0, 256).Select(k => k / 255.0 * (k / 255.0)), keepsPositive: true);

    /// <value>Bits of a code: 8 or 4.</value>
    public int Bits { get; }

    /// <value>Whether there are negative values.</value>
    public bool Signed { get; }

    /// <value>What each code stands for: 2^<see cref="Bits"/> numbers, ascending.</value>
    public IReadOnlyList<float> Values => _values;

    /// <value>The boundaries between neighboring values. Exactly there, 8-bit codes take the lower value and 4-bit
    /// codes the upper one, as bitsandbytes and torchao do.</value>
    public IReadOnlyList<float> Midpoints => _midpoints;

    /// <value>Whether nothing above zero takes the code of zero.</value>
    internal bool KeepsPositive { get; }

    /// <value>The codes for numbers in the processor's own memory.</value>
    internal SpanCodes OnSpans { get; }

    /// <summary>The code of the nearest value, for every entry.</summary>
    /// <param name="x">float32, in [−1, 1]; beyond, the nearest end of the table.</param>
    /// <returns>uint8, in the shape of <paramref name="x"/>.</returns>
    internal Tensor Encode(Tensor x) => On(x.device).Midpoints.CountBelow(x);

    /// <summary>The code of one of the two values around every entry, the upper one with the probability that makes the expected value exact.</summary>
    /// <param name="x">float32, between the ends of the table.</param>
    /// <param name="generator">Draws the roundings.</param>
    /// <returns>uint8, in the shape of <paramref name="x"/>.</returns>
    internal Tensor Encode(Tensor x, Generator generator)
    {
        using var scope = NewDisposeScope();
        var table = On(x.device);
        var lower = table.Interior.CountBelow(x.reshape(-1));

        using var place = lower.to(ScalarType.Int32);
        using var share = table.Values.index_select(0, place).sub_(x.reshape(-1)).neg_();
        using (var width = table.Widths.index_select(0, place))
            share.div_(width);
        using var uniform = generator.Uniform(share.shape, share.dtype, share.device);

        return lower.add_(uniform.lt(share)).reshape(x.shape).MoveToOuterDisposeScope();
    }

    /// <summary>What the codes in each byte stand for.</summary>
    /// <param name="bytes">uint8, one axis; two codes per byte where they have 4 bits, the first in the high half.</param>
    /// <returns>float32, one axis.</returns>
    internal Tensor Decode(Tensor bytes)
    {
        using var scope = NewDisposeScope();
        var table = On(bytes.device).ByByte;
        return table.index_select(0, bytes.to(ScalarType.Int32)).view(-1).MoveToOuterDisposeScope();
    }

    private static IEnumerable<double> Dynamic(int bits, bool signed)
    {
        yield return 0;
        yield return 1;
        for (var decade = 0; decade < bits - 1; decade++)
        {
            var count = 1 << (signed ? decade : decade + 1);
            var power = Math.Pow(10, decade - (bits - 2));
            for (var k = 0; k < count; k++)
            {
                var value = power * (0.1 + 0.9 * (k + 0.5) / count);
                yield return value;
                if (signed)
                    yield return -value;
            }
        }
    }

    private DeviceTables On(Device device) =>
        _onDevice.GetOrAdd((device.type, device.index), _ => new(() => new DeviceTables(this, device))).Value;

    /// <summary>The table where the data is. It lives as long as the process: it belongs to no dispose scope.</summary>
    private sealed class DeviceTables
    {
        public DeviceTables(CodeTable table, Device device)
        {
            using var scope = NewDisposeScope();
            Midpoints = new Boundaries(table._midpoints, inclusive: table.Bits == 4, device);
            Values = tensor(table._values, ScalarType.Float32, device).DetachFromDisposeScope();
            Interior = new Boundaries(table._values[1..^1], inclusive: true, device);
            float[] widths = [.. table._values.Zip(table._values.Skip(1), (low, high) => high - low)];
            Widths = tensor(widths, ScalarType.Float32, device).DetachFromDisposeScope();
            ByByte = tensor(table.Bits == 8 ? table._values : Pairs(table._values), ScalarType.Float32, device)
                .view(256, 8 / table.Bits).DetachFromDisposeScope();
        }

        /// <value>Where one value ends and the next begins.</value>
        public Boundaries Midpoints { get; }

        public Tensor Values { get; }

        /// <value>The values without the first and the last.</value>
        public Boundaries Interior { get; }

        /// <value>From each value to the next.</value>
        public Tensor Widths { get; }

        /// <value>256 × (codes in a byte).</value>
        public Tensor ByByte { get; }

        private static float[] Pairs(float[] values) => [.. values.SelectMany(high => values.SelectMany(low => new[] { high, low }))];
    }
}
