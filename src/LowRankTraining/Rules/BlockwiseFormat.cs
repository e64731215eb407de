using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>Optimizer state in 8 or 4 bits a number, with one scale for every block.</summary>
/// <remarks>
/// <para>State: <c>NAME</c>, the codes, and <c>NAME.absmax</c>, one float32 for each block. Tensors below <see cref="Threshold"/> stay float32 under <c>NAME</c>.</para>
/// <para>Second moments have a code without a sign. Zero first moments stay zero; with 4 bits a second moment is at least 1/16 of its block's largest, which makes steps smaller, never larger.</para>
/// <para>Source: Dettmers et al., arXiv 2110.02861; 4 bits: Li et al., arXiv 2309.01507, with torchao's blocks.</para>
/// </remarks>
public sealed record BlockwiseFormat : StateFormat
{
    private readonly int _block;

    internal BlockwiseFormat(int bits, int block)
    {
        Bits = bits;
        _block = block;
    }

    /// <value>Bits of a number: 8 or 4.</value>
    public int Bits { get; }

    /// <value>Numbers that share a scale. Default 256 with 8 bits (bitsandbytes), 128 with 4 (torchao). At least 1, and even with 4 bits.</value>
    /// <exception cref="ArgumentException">Set to something else.</exception>
    public int Block
    {
        get => _block;
        init => _block = Blocks.Of(0, value, Bits).Size;
    }

    /// <value>Numbers that a tensor must have to be quantised. Default 4096 (bitsandbytes): smaller ones, such as norms and biases, cost next to nothing and suffer most.</value>
    public long Threshold { get; init; } = 4096;

    internal override Tensor Read(StateBag state, MomentSlot slot, in TensorKind like)
    {
        if (!Quantizes(PackedCodes.Elements(like.Shape)))
            return Float32.Read(state, slot, like);

        return state.TryGet(slot.Name, out var codes)
            ? BlockwiseQuantization.Dequantize(codes, state[Scales(slot)], TableOf(slot), Block, like.Shape, like.Computing)
            : like.Zeros();
    }

    internal override void Write(StateBag state, MomentSlot slot, Tensor value, in StepContext step)
    {
        if (!Quantizes(value.numel()))
        {
            Float32.Write(state, slot, value, step);
            state.Remove(Scales(slot));
            return;
        }

        var (codes, absMax) = BlockwiseQuantization.Quantize(value, TableOf(slot), Block);
        state.Set(slot.Name, codes);
        state.Set(Scales(slot), absMax);
    }

    internal override void Remove(StateBag state, MomentSlot slot)
    {
        state.Remove(slot.Name);
        state.Remove(Scales(slot));
    }

    internal override long BytesFor(long elements) =>
        Quantizes(elements) ? PackedCodes.Bytes(elements, Bits) + 4 * Blocks.Of(elements, Block, Bits).Count : Float32.BytesFor(elements);

    /// <inheritdoc/>
    public override string ToString() => $"{Bits} bit in blocks of {Block} from {Threshold} elements on";

    private static string Scales(MomentSlot slot) => slot.Name + ".absmax";

    private bool Quantizes(long elements) => elements >= Threshold;

    private CodeTable TableOf(MomentSlot slot) => (Bits, slot.Order) switch
    {
        (8, 2) => CodeTable.Dynamic8Unsigned,
        (8, _) => CodeTable.Dynamic8Signed,
        (_, 2) => CodeTable.Linear4Unsigned,
        _ => CodeTable.Dynamic4Signed,
    };
}
