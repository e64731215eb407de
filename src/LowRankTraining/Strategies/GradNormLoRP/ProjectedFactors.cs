namespace LowRankTraining.Strategies;

/// <summary>Factors whose gradients are projected: GradNormLoRP from the weight side.</summary>
internal sealed class ProjectedFactors(GradNormLoRP projection) : FactorFeature
{
    public override UpdateRule RuleFor(string factor, FactorSettings settings, UpdateRule rule) => new ProjectedFactorRule(projection.Subspace);
}
