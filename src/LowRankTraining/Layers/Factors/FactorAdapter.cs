namespace LowRankTraining.Layers;

/// <summary>Low-rank factors for a frozen weight, wherever they live.</summary>
internal abstract class FactorAdapter(Site site, Injector injector, FactorSettings settings, string reason) : Adapter(site, injector, reason)
{
    public FactorSettings Settings { get; } = settings;

    /// <summary>Ends the full-rank warm start: the weight is frozen and its optimizer state dropped.</summary>
    public abstract void Activate(IOptimizerState state);

    /// <summary>Merges the factors, draws new ones of the rank that is due, and resets their optimizer state.</summary>
    public abstract void Restart(long completed, MomentReset reset, IOptimizerState state);

    /// <summary>Gives the factors the rank that is due, with the same function.</summary>
    public abstract void ChangeRank(long completed, bool resets, IOptimizerState state);

    public long RankAfter(long completed) => Settings.RankAfter(completed, Site.Limit);
}

/// <summary>Factors that live with the optimizer; the model knows nothing of them.</summary>
internal sealed class ShadowAdapter(Site site, FactorSettings settings, string reason) : FactorAdapter(site, new ShadowInjector(site), settings, reason)
{
    private readonly ShadowRule _rule = new(settings);
    private long _completed;

    public override long Rank => RankAfter(_completed);

    public override IEnumerable<ParameterPlan> Plans => [new ParameterPlan(Name, Weight, _rule) { WeightDecayMultiplier = 0, Sink = Injector.Sink }];

    /// <value>The weight is the merged one at all times.</value>
    public override bool CanMerge => true;

    public override FactorSet? FactorsIn(IOptimizerState? state) => _rule.FactorsIn(state?.StateOf(Weight), Name, Weight);

    public override void After(long completed) => _completed = completed;

    public override void Activate(IOptimizerState state) => state.StateOf(Weight).Clear();

    public override void Restart(long completed, MomentReset reset, IOptimizerState state) =>
        _rule.Restart(Name, Weight, completed, reset, state.StateOf(Weight));

    public override void ChangeRank(long completed, bool resets, IOptimizerState state)
    {
        _completed = completed;
        _rule.ChangeRank(Name, Weight, completed, resets, state.StateOf(Weight));
    }
}
