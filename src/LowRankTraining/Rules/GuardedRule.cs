using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>A rule behind a guard.</summary>
/// <param name="Inner">The rule.</param>
/// <param name="Guard">Sees every gradient first.</param>
public sealed record GuardedRule(IDirectionRule Inner, ISpikeGuard Guard) : IDirectionRule
{
    /// <inheritdoc/>
    public IReadOnlyList<MomentSlot> Moments => Inner.Moments;

    /// <inheritdoc/>
    public (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var (guarded, factor) = Guard.Apply(gradient, Inner, state, step);
        var (direction, correction) = Inner.Advance(guarded, state, step);
        return (direction.MoveToOuterDisposeScope(), factor * correction);
    }

    /// <inheritdoc/>
    public void Reset(StateBag state) => Inner.Reset(state);

    /// <inheritdoc/>
    public string LayoutFor(IReadOnlyList<long> shape) => $"{Inner.LayoutFor(shape)} behind {Guard.GetType().Name}";

    /// <inheritdoc/>
    public long BytesFor(IReadOnlyList<long> shape) => Inner.BytesFor(shape) + Guard.StateBytes;
}
