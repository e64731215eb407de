namespace LowRankTraining.Strategies;

/// <summary>Factors and sparse values that live with the optimizer; the weight stays what it is to the model, dense.</summary>
internal sealed class SparseShadow : Adapter
{
    private readonly SparseRecipe _recipe;
    private readonly SparseShadowRule _rule;
    private readonly Support _support;
    private readonly string _way;
    private Tensor? _start;

    public SparseShadow(Site site, SparseRecipe recipe, string reason) : base(site, new ShadowInjector(site), reason)
    {
        (_recipe, _rule, _way) = (recipe, new SparseShadowRule(recipe), reason);
        var (rows, columns) = Weight.shape.Sides();
        (_support, Rank) = (recipe.SupportOf(Name, rows, columns), recipe.RankOf(rows, columns));
    }

    public override long Rank { get; }

    public override IEnumerable<ParameterPlan> Plans => [new ParameterPlan(Name, Weight, _rule) { WeightDecayMultiplier = 0, Sink = Injector.Sink }];

    /// <summary>The weight becomes the one of the parts. Those that are drawn are drawn again by the first step; those that are made from the weight wait for
    /// the optimizer.</summary>
    public override void Install()
    {
        base.Install();
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var before = Weight.detach().clone();
        var (rows, columns) = Weight.shape.Sides();
        var isFresh = !_recipe.StartsFromWeight;
        var parts = isFresh ? _recipe.Fresh(Name, rows, columns, Weight.dtype, Weight.device) : _recipe.FromWeight(Name, Weight.Widened());
        Weight.copy_(SparseLowRank.Weight(parts, _support.Indices(Weight.device), _recipe.Scale).reshape(Weight.shape));
        if (!isFresh)
            _start = SparseShadowRule.Join(parts).DetachFromDisposeScope();

        Reason = SparseReport.Of(_way, _support, "the weight stays dense, so that optimizer state is saved and no weight; it "
            + (isFresh ? "was discarded for new parts" : $"is {SparseReport.Kept(before, Weight)}"));
    }

    public override void Begin(IOptimizerState state)
    {
        if (!_recipe.StartsFromWeight)
            return;
        if (_start is null)
            throw new InvalidOperationException($"The session has had an optimizer before, which has the parts of '{Name}'. Go on with that one, or call "
                + "Finish() and attach the method again.");

        _rule.Begin(state.StateOf(Weight), Name, Weight, _start);
        Release();
    }

    public override void Release()
    {
        _start?.Dispose();
        _start = null;
    }
}
