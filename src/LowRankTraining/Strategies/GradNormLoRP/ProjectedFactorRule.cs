namespace LowRankTraining.Strategies;

/// <summary>Trains a factor in a subspace of its gradient.</summary>
/// <remarks>A's gradient is zero by construction while B is zero: no subspace could be found from it, so the factor waits, which is no refusal.</remarks>
internal sealed record ProjectedFactorRule(SubspaceRule Subspace) : WrappedRule(Subspace)
{
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var verdict = step.Verdict ?? GradientCheck.Judge(gradient);
        if (verdict == GradientVerdict.Zero && step.AcceptZeroGradient)
            return;
        base.AddUpdate(gradient, accumulator, scale, state, step with { Verdict = verdict });
    }
}

/// <summary>Factors whose gradients are projected: GradNormLoRP from the weight side.</summary>
internal sealed class ProjectedFactors(GradNormLoRP projection) : FactorFeature
{
    public override UpdateRule RuleFor(string factor, FactorSettings settings, UpdateRule rule) => new ProjectedFactorRule(projection.Subspace);
}
