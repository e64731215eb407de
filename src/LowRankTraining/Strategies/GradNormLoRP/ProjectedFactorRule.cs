using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Trains a factor in a subspace of its gradient.</summary>
/// <remarks>A's gradient is zero by construction while B is zero: no subspace could be found from it, so the factor waits, which is no refusal.</remarks>
internal sealed record ProjectedFactorRule(SubspaceRule Subspace) : IUpdateRule, IStateLayout
{
    (double Beta1, double Beta2)? IUpdateRule.Betas => ((IUpdateRule)Subspace).Betas;

    public void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var verdict = step.Verdict ?? GradientCheck.Judge(gradient);
        if (verdict == GradientVerdict.Zero && step.AcceptZeroGradient)
            return;
        Subspace.AddUpdate(gradient, accumulator, scale, state, step with { Verdict = verdict });
    }

    public string LayoutFor(IReadOnlyList<long> shape) => Subspace.LayoutFor(shape);

    public long BytesFor(IReadOnlyList<long> shape) => Subspace.BytesFor(shape);
}
