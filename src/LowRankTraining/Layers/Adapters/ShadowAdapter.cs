namespace LowRankTraining.Layers;

/// <summary>Factors that live with the optimizer; the model knows nothing of them.</summary>
internal sealed class ShadowAdapter(Site site, AdapterRecipe recipe, string reason) : FactorAdapter(site, recipe, reason)
{
    private readonly ShadowRule _rule = new(recipe);
    private long _completed;

    public override Injection Injection => Injection.Shadow;

    public override long Rank => RankAfter(_completed);

    public override IEnumerable<ParameterPlan> Plans => [new ParameterPlan(Name, Weight, _rule) { WeightDecayMultiplier = 0 }];

    /// <summary>The factors learn from the weight's gradient.</summary>
    public override void Install() => Weight.requires_grad = true;

    public override void Activate(IOptimizerState state) => state.For(Weight).Clear();

    public override void ResumeAt(long completed, IOptimizerState state) => _completed = completed;

    public override (long Zeroed, long Total) Restart(long completed, IOptimizerState state)
    {
        _completed = completed;
        return _rule.Restart(Name, Weight, completed, state.For(Weight));
    }

    /// <value>The weight is the merged one at all times.</value>
    public override bool CanMerge => true;

    public override void ChangeRank(long completed, IOptimizerState state)
    {
        _completed = completed;
        _rule.ChangeRank(Name, Weight, completed, state.For(Weight));
    }

    public override void Finish(long completed) => Weight.requires_grad = !Site.WasFrozen;
}
