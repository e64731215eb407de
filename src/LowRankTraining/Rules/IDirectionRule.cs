using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>A rule whose update can be looked at before it is applied: what runs inside a subspace.</summary>
public interface IDirectionRule : IUpdateRule, IStateLayout
{
    /// <value>The moments that the rule keeps in the gradient's shape: what has to follow when the subspace changes.</value>
    IReadOnlyList<MomentSlot> Moments { get; }

    /// <summary>The same rule with its moments stored in another format; a rule that has no such choice returns itself.</summary>
    IDirectionRule WithStates(StateFormat states) => this;

    /// <summary>Advances the state by one gradient and returns the step to take.</summary>
    /// <param name="gradient">A gradient that has been accepted.</param>
    /// <param name="state">The parameter's memory.</param>
    /// <param name="step">The step.</param>
    /// <returns>The update is Correction · Direction. The caller disposes Direction.</returns>
    (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step);

    /// <summary>Forgets the moments and restarts bias correction.</summary>
    void Reset(StateBag state);

    /// <inheritdoc/>
    void IUpdateRule.AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        var (direction, correction) = Advance(gradient, state, step);
        using (direction)
            accumulator.add_(direction, scale * correction);
    }

    /// <inheritdoc/>
    string IStateLayout.LayoutFor(IReadOnlyList<long> shape) =>
        $"{GetType().Name} ({string.Join(", ", Moments.Select(slot => $"{slot.Name} {slot.Format}"))})";

    /// <inheritdoc/>
    long IStateLayout.BytesFor(IReadOnlyList<long> shape) => Moments.Sum(slot => slot.Format.BytesFor(shape.Elements()));
}

/// <summary>What can be done with the moments of any rule.</summary>
internal static class DirectionRules
{
    /// <summary>Frees the moments; whatever counts steps goes on.</summary>
    public static void ForgetMoments(this IDirectionRule rule, StateBag state)
    {
        foreach (var slot in rule.Moments)
            slot.Remove(state);
    }
}
