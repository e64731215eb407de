using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>A rule whose update can be looked at before it is applied: what runs inside a subspace.</summary>
public interface IDirectionRule : IUpdateRule
{
    /// <value>The moments that the rule keeps, each in the gradient's shape.</value>
    IReadOnlyList<MomentSlot> Moments { get; }

    /// <summary>Advances the state by one gradient and returns the step to take.</summary>
    /// <param name="gradient">A gradient that has been accepted.</param>
    /// <param name="state">The parameter's memory.</param>
    /// <returns>The update is Correction · Direction. The caller disposes Direction.</returns>
    (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state);

    /// <summary>Forgets the moments and restarts bias correction.</summary>
    void Reset(StateBag state);
}

/// <summary>A moving average of a power of the gradient.</summary>
/// <param name="Name">Its name in the <see cref="StateBag"/>.</param>
/// <param name="Order">1 for the mean of the gradient, 2 for the mean of its square.</param>
public readonly record struct MomentSlot(string Name, int Order);
