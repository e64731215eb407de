using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>A basis in 4 bits a number, two in a byte, with a scale and a zero point for every group.</summary>
/// <remarks>
/// <para>State: <c>NAME</c>, the codes; <c>NAME.scale</c>, one float32, and <c>NAME.zero</c>, one byte, for each group. Tensors below <see cref="Threshold"/> stay float32 under <c>NAME</c>.</para>
/// <para>The columns of such a basis are nearly orthonormal only. Not for moments: a second moment that is rounded to zero would divide by ε.</para>
/// <para>Source: Zhang et al., Q-GaLore, arXiv 2407.08296, section 3.1. The authors' code keeps a byte for each code.</para>
/// </remarks>
public sealed record AffineFormat : StateFormat
{
    private const int Bits = 4;

    private readonly int _group = AffineQuantization.DefaultGroup;

    internal AffineFormat() { }

    /// <value>Numbers that share a scale, even, at least 2. Default 256 (Q-GaLore). The last group may be partial.</value>
    /// <exception cref="ArgumentException">Set to something else.</exception>
    public int Group
    {
        get => _group;
        init => _group = Blocks.Of(0, value, Bits).Size;
    }

    /// <value>Numbers that a tensor must have to be quantised. Default 4096, as for moments: smaller ones cost next to nothing.</value>
    public long Threshold { get; init; } = 4096;

    internal override Tensor Read(StateBag state, MomentSlot slot, in TensorKind like)
    {
        if (!Quantizes(PackedCodes.Elements(like.Shape)))
            return Float32.Read(state, slot, like);

        return state.TryGet(slot.Name, out var codes)
            ? AffineQuantization.Dequantize(codes, state[Scales(slot)], state[Zeros(slot)], Bits, Group, like.Shape, like.Computing)
            : like.Zeros();
    }

    internal override void Write(StateBag state, MomentSlot slot, Tensor value, in StepContext step)
    {
        if (!Quantizes(value.numel()))
        {
            Float32.Write(state, slot, value, step);
            return;
        }

        var (codes, scales, zeros) = AffineQuantization.Quantize(value, Bits, Group);
        state.Set(slot.Name, codes);
        state.Set(Scales(slot), scales);
        state.Set(Zeros(slot), zeros);
    }

    internal override void Remove(StateBag state, MomentSlot slot)
    {
        state.Remove(slot.Name);
        state.Remove(Scales(slot));
        state.Remove(Zeros(slot));
    }

    internal override long BytesFor(long elements) =>
        Quantizes(elements) ? PackedCodes.Bytes(elements, Bits) + (sizeof(float) + sizeof(byte)) * Blocks.Of(elements, Group, Bits).Count : Float32.BytesFor(elements);

    /// <inheritdoc/>
    public override string ToString() => $"affine {Bits} bit in groups of {Group} from {Threshold} elements on";

    private static string Scales(MomentSlot slot) => slot.Name + ".scale";

    private static string Zeros(MomentSlot slot) => slot.Name + ".zero";

    private bool Quantizes(long elements) => elements >= Threshold;
}
