namespace LowRankTraining.Parts;

/// <summary>Optimizer state in 8 or 4 bits per number, with one scale for every block.</summary>
/// <remarks>
/// <para>State: <c>NAME</c>, the codes, and <c>NAME.absmax</c>, one float32 for each block. Tensors below <see cref="QuantizedFormat.Threshold"/> stay float32
/// under <c>NAME</c>.</para>
/// <para>Second moments have a code without a sign. Zero first moments stay zero. With 8 bits a second moment above zero is at least 3.25e-7 of its block's
/// largest, with 4 bits any is at least 1/16 of it, which makes steps smaller, never larger.</para>
/// <para>Companded codes are finer among the large numbers of a block and coarser among the small ones: a second moment above zero is at least 1.5e-5 of its
/// block's largest, which blocks of 64 make up for. FlashOptim, arXiv 2602.23349, has blocks of 32 with half-precision scales, which are as many bytes.</para>
/// <para>Source: Dettmers et al., arXiv 2110.02861; 4 bits: Li et al., arXiv 2309.01507, with torchao's blocks.</para>
/// </remarks>
public sealed record BlockwiseFormat : QuantizedFormat
{
    private const string AbsMax = ".absmax";

    private readonly int _block;

    internal BlockwiseFormat(int bits, int block, bool companded = false)
    {
        Bits = bits;
        Companded = companded;
        _block = block;
    }

    /// <value>Bits of a number: 8 or 4.</value>
    public int Bits { get; }

    /// <value>Whether codes are evenly spaced after a curve has flattened what is coded, 2x/(1 + |x|) for first moments and √x for second ones, in place of
    /// floating-point ones.</value>
    public bool Companded { get; }

    /// <value>Numbers that share a scale. Default 256 with 8 bits (bitsandbytes), 128 with 4 (torchao). At least 1, and even with 4 bits.</value>
    /// <exception cref="ArgumentException">Set to something else.</exception>
    public int Block
    {
        get => _block;
        init => _block = Blocks.Of(0, value, Bits).Size;
    }

    private protected override IReadOnlyList<string> Companions { get; } = [AbsMax];

    private protected override Tensor Decode(StateBag state, MomentSlot slot, Tensor codes, in TensorKind like) =>
        BlockwiseQuantization.Dequantize(codes, state[Companion(slot.Name, AbsMax)], TableOf(slot), Block, like.Shape, like.Computing);

    private protected override (Tensor Codes, IReadOnlyList<Tensor> Companions) Encode(MomentSlot slot, Tensor value)
    {
        var (codes, absMax) = BlockwiseQuantization.Quantize(value, TableOf(slot), Block);
        return (codes, [absMax]);
    }

    private protected override HostMoment? CodesOnHost(StateBag state, MomentSlot slot, in TensorKind like)
    {
        if (!like.Like.IsHere() || like.Computing != ScalarType.Float32)
            return null;

        var blocks = Blocks.Of(like.Elements, Block, Bits);
        if (!state.TryGet(slot.Name, out var codes))
        {
            state.Set(slot.Name, codes = PackedCodes.Empty(like.Shape, Bits, like.Device).zero_());
            state.Set(Companion(slot.Name, AbsMax), zeros(blocks.Count, ScalarType.Float32, CPU));
        }

        var scales = state[Companion(slot.Name, AbsMax)];
        blocks.Check(codes, scales, Bits);
        return scales.IsOnHost() ? new HostMoment(codes, scales, TableOf(slot), Block) : null;
    }

    private protected override long QuantizedBytes(long elements) =>
        PackedCodes.Bytes(elements, Bits) + sizeof(float) * Blocks.Of(elements, Block, Bits).Count;

    /// <inheritdoc/>
    public override string ToString() => $"{Bits} bit{(Companded ? ", companded," : "")} in blocks of {Block} from {Threshold} elements on";

    private CodeTable TableOf(MomentSlot slot) => (Bits, slot.Order) switch
    {
        (8, 2) when Companded => CodeTable.Companded8Positive,
        (8, _) when Companded => CodeTable.Companded8Signed,
        (8, 2) => CodeTable.Dynamic8Positive,
        (8, _) => CodeTable.Dynamic8Signed,
        (_, 2) => CodeTable.Linear4Unsigned,
        _ => CodeTable.Dynamic4Signed,
    };
}
