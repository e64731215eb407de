using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>Adam.</summary>
/// <remarks>
/// <para>M ← β₁M + (1 − β₁)G; V ← β₂V + (1 − β₂)G²; update = c · M / (√V + ε′), with c = √(1 − β₂ᵗ) / (1 − β₁ᵗ).
/// ε′ = ε √(1 − β₂ᵗ) gives the published form M̂ / (√V̂ + ε); ε′ = ε is the form of the AdamW that the authors' code of GaLore, Fira and APOLLO builds on.</para>
/// <para>State: <c>exp_avg</c>, <c>exp_avg_sq</c>, float32, in the gradient's shape; counter <c>step</c>. Scratch: one tensor of that shape.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Kingma and Ba, arXiv 1412.6980, algorithm 1; decoupled decay, applied by the optimizer: Loshchilov and Hutter, arXiv 1711.05101.</para>
/// </remarks>
public sealed record AdamRule : IDirectionRule
{
    internal const string Clock = "step";
    private const string First = "exp_avg", Second = "exp_avg_sq";
    private static readonly MomentSlot[] Slots = [new(First, 1), new(Second, 2)];

    /// <value>β₁, decay of the first moment, in [0, 1). Default 0.9 (Adam).</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>β₂, decay of the second moment, in [0, 1). Default 0.999 (Adam).</value>
    public double Beta2 { get; init; } = 0.999;

    /// <value>ε, in units of the gradient. Default 1e-8 (Adam).</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>Whether ε is added to the bias-corrected root, as published. Default true.</value>
    public bool EpsilonAfterCorrection { get; init; } = true;

    /// <value>Whether the bias of the moments towards zero is corrected. Default true.</value>
    public bool BiasCorrection { get; init; } = true;

    /// <inheritdoc/>
    public IReadOnlyList<MomentSlot> Moments => Slots;

    /// <inheritdoc/>
    public void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        var (mean, root, correction) = AdvanceMoments(gradient, state);
        using (root)
            accumulator.addcdiv_(mean, root, scale * correction);
    }

    /// <inheritdoc/>
    public (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state)
    {
        var (mean, root, correction) = AdvanceMoments(gradient, state);
        using (root)
            return (mean / root, correction);
    }

    /// <inheritdoc/>
    public void Reset(StateBag state)
    {
        state.Remove(First);
        state.Remove(Second);
        state.SetCounter(Clock, 0);
    }

    private (Tensor Mean, Tensor Root, double Correction) AdvanceMoments(Tensor gradient, StateBag state)
    {
        var mean = state.ZerosLike(First, gradient);
        var square = state.ZerosLike(Second, gradient);
        var t = state.Advance(Clock);

        mean.mul_(Beta1).add_(gradient, 1 - Beta1);
        square.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);

        var bias1 = BiasCorrection ? 1 - Math.Pow(Beta1, t) : 1;
        var bias2 = BiasCorrection ? Math.Sqrt(1 - Math.Pow(Beta2, t)) : 1;

        var root = square.sqrt().add_(EpsilonAfterCorrection ? Epsilon * bias2 : Epsilon);
        return (mean, root, bias2 / bias1);
    }
}
