namespace LowRankTraining.Strategies;

/// <summary>Trains a factor in a subspace of its gradient.</summary>
/// <remarks>A's gradient is zero by construction while B is zero: no subspace could be found from it, so the factor waits, which is no refusal.</remarks>
internal sealed record ProjectedFactorRule(SubspaceRule Subspace) : UpdateRule
{
    public override (double Beta1, double Beta2)? Betas => Subspace.Betas;

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        var verdict = step.Verdict ?? GradientCheck.Judge(gradient);
        if (verdict == GradientVerdict.Zero && step.AcceptZeroGradient)
            return;
        Subspace.AddUpdate(gradient, accumulator, scale, state, step with { Verdict = verdict });
    }

    public override Tensor? RelativeRate(Tensor weight, StateBag state) => Subspace.RelativeRate(weight, state);

    public override string LayoutFor(IReadOnlyList<long> shape) => Subspace.LayoutFor(shape);

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Subspace.SlotsFor(shape);
}

/// <summary>Factors whose gradients are projected: GradNormLoRP from the weight side.</summary>
internal sealed class ProjectedFactors(GradNormLoRP projection) : FactorFeature
{
    public override UpdateRule RuleFor(string factor, FactorSettings settings, UpdateRule rule) => new ProjectedFactorRule(projection.Subspace);
}
