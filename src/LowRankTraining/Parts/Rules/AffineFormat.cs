namespace LowRankTraining.Parts;

/// <summary>A basis in 4 bits per number, two in a byte, with a scale and a zero point for every group.</summary>
/// <remarks>
/// <para>State: <c>NAME</c>, the codes; <c>NAME.scale</c>, one float32, and <c>NAME.zero</c>, one byte, for each group. Tensors below
/// <see cref="QuantizedFormat.Threshold"/> stay float32 under <c>NAME</c>.</para>
/// <para>The columns of such a basis are nearly orthonormal only. Not for moments: a second moment that is rounded to zero would divide by ε.</para>
/// <para>Source: Zhang et al., Q-GaLore, arXiv 2407.08296, section 3.1. The authors' code keeps a byte for each code.</para>
/// </remarks>
public sealed record AffineFormat : QuantizedFormat
{
    private const int Bits = 4;
    private const string Scale = ".scale", Zero = ".zero";

    private readonly int _group = AffineQuantization.DefaultGroup;

    internal AffineFormat() { }

    /// <value>Numbers that share a scale, even, at least 2. Default 256 (Q-GaLore). The last group may be partial.</value>
    /// <exception cref="ArgumentException">Set to something else.</exception>
    public int Group
    {
        get => _group;
        init => _group = Blocks.Of(0, value, Bits).Size;
    }

    internal override bool FitsMoments => false;

    internal override bool KeepsSmallMoves => false;

    private protected override IReadOnlyList<string> Companions { get; } = [Scale, Zero];

    private protected override Tensor Decode(StateBag state, MomentSlot slot, Tensor codes, in TensorKind like) =>
        AffineQuantization.Dequantize(codes, state[Companion(slot.Name, Scale)], state[Companion(slot.Name, Zero)], Bits, Group, like.Shape, like.Computing);

    private protected override (Tensor Codes, IReadOnlyList<Tensor> Companions) Encode(MomentSlot slot, Tensor value)
    {
        var (codes, scales, zeros) = AffineQuantization.Quantize(value, Bits, Group);
        return (codes, [scales, zeros]);
    }

    private protected override long QuantizedBytes(long elements) =>
        PackedCodes.Bytes(elements, Bits) + (sizeof(float) + sizeof(byte)) * Blocks.Of(elements, Group, Bits).Count;

    /// <inheritdoc/>
    public override string ToString() => $"affine {Bits} bit in groups of {Group} from {Threshold} elements on";
}
