using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>A rule behind a guard.</summary>
public sealed record GuardedRule : IDirectionRule
{
    /// <summary>Puts <paramref name="guard"/> before <paramref name="inner"/>.</summary>
    /// <exception cref="ArgumentException">The guard needs a moment that the rule does not keep.</exception>
    public GuardedRule(IDirectionRule inner, ISpikeGuard guard)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(guard);
        if (guard.ObjectionTo(inner) is { } objection)
            throw new ArgumentException(objection, nameof(inner));
        (Inner, Guard) = (inner, guard);
    }

    /// <value>The rule.</value>
    public IDirectionRule Inner { get; }

    /// <value>Sees every gradient first.</value>
    public ISpikeGuard Guard { get; }

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.Part(Inner).Part(Guard);

    /// <inheritdoc/>
    public IDirectionRule WithStates(StateFormat states) => new GuardedRule(Inner.WithStates(states), Guard);

    /// <inheritdoc/>
    public IReadOnlyList<MomentSlot> Moments => Inner.Moments;

    /// <inheritdoc/>
    (double Beta1, double Beta2)? IUpdateRule.Betas => Inner.Betas;

    /// <inheritdoc/>
    public void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.AcceptsSquared(gradient, null, out var isHuge))
            return;

        using var scope = NewDisposeScope();
        if (isHuge)
            gradient = GradientCheck.InRange(gradient);
        var (guarded, factor) = Guard.Apply(gradient, Inner, state, step);
        Inner.AddUpdate(guarded, accumulator, scale * factor, state, step with { Verdict = GradientVerdict.Usable });
    }

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
