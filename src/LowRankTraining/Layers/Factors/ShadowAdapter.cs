namespace LowRankTraining.Layers;

/// <summary>Factors that live with the optimizer; the model knows nothing of them.</summary>
internal sealed class ShadowAdapter(Site site, FactorSettings settings, string reason) : FactorAdapter(site, new ShadowInjector(site), settings, reason)
{
    private readonly ShadowRule _rule = new(settings);
    private long _completed;

    public override long Rank => RankAfter(_completed);

    public override IEnumerable<ParameterPlan> Plans => [new ParameterPlan(Name, Weight, _rule) { WeightDecayMultiplier = 0, Sink = Injector.Sink }];

    /// <value>The weight is the merged one at all times.</value>
    public override bool CanMerge => true;

    public override FactorSet? FactorsIn(IOptimizerState? state) => _rule.FactorsIn(state?.For(Weight), Name, Weight);

    public override void After(long completed) => _completed = completed;

    public override void Activate(IOptimizerState state) => state.For(Weight).Clear();

    public override void Restart(long completed, MomentReset reset, IOptimizerState state) =>
        _rule.Restart(Name, Weight, completed, reset, state.For(Weight));

    public override void ChangeRank(long completed, bool resets, IOptimizerState state)
    {
        _completed = completed;
        _rule.ChangeRank(Name, Weight, completed, resets, state.For(Weight));
    }
}
