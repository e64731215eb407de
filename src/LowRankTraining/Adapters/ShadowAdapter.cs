namespace LowRankTraining.Adapters;

/// <summary>Factors that live with the optimizer; the model knows nothing of them.</summary>
internal sealed class ShadowAdapter(Site site, AdapterRecipe recipe, string reason) : Adapter(site, recipe, reason)
{
    private readonly ShadowRule _rule = new(recipe);

    public override Injection Injection => Injection.Shadow;

    public override IEnumerable<ParameterPlan> Plans => [new ParameterPlan(Name, Weight, _rule) { WeightDecayMultiplier = 0 }];

    public override void Install() { }

    public override void Activate(IOptimizerState state) => state.For(Weight).Clear();

    public override void ResumeAt(long completed, IOptimizerState state) { }

    public override (long Zeroed, long Total) Restart(long completed, IOptimizerState state) =>
        _rule.Restart(Name, Weight, completed, state.For(Weight));

    public override void Finish(long completed) { }
}
