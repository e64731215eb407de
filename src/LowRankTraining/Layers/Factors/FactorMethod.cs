namespace LowRankTraining.Layers;

/// <summary>Low-rank factors beside frozen weights, and whatever features a method has besides.</summary>
internal sealed class FactorMethod(FactorSettings factors) : AdapterMethod(factors)
{
    /// <value>Finds the ranks of all matrices; null for the same everywhere.</value>
    public Func<IReadOnlyList<Site>, IReadOnlyList<long>>? RanksOf { get; init; }

    /// <value>s of a matrix with a rank.</value>
    public required Func<Site, long, double> ScaleOf { get; init; }

    /// <value>Without <see cref="Injection.Shadow"/>, where a gradient that comes before the first step would find no shadowed factors to start, or
    /// factors have to be run.</value>
    public override IReadOnlyList<Injection> Ways =>
        AllowsShadow && !factors.Start.NeedsGradient ? base.Ways : [Injection.Replace, Injection.Hook];

    public override bool KeepsBase => factors.Features.All(feature => feature.KeepsBase);

    /// <value>A warm start trains the weight itself.</value>
    public override bool AdaptsFrozen => factors.IsActiveAtOnce;

    protected override UpdateRule RuleOf(string factor) => factors.RuleOf(factor);

    private bool AllowsShadow => factors.Features.All(feature => feature.AllowsShadow);

    public override IReadOnlyList<long> RanksFor(IReadOnlyList<Site> sites) => RanksOf?.Invoke(sites) ?? base.RanksFor(sites);

    public override void Check(IReadOnlyList<Site> sites)
    {
        foreach (var feature in factors.Features)
            feature.Check(sites);
        foreach (var site in sites)
            factors.Start.Require(site.Name, site.Weight);
    }

    public override IEnumerable<KeyValuePair<string, string>> NotesOn(IReadOnlyList<(Site Site, Injection Way)> chosen)
    {
        var shadowed = factors.Dropout == 0 ? [] : chosen.Where(pair => pair.Way == Injection.Shadow).Select(pair => pair.Site.Name).ToArray();
        if (shadowed.Length > 0)
            Logger?.DropoutWithoutInputs(Strategy, shadowed.Length, string.Join(", ", shadowed.Take(8)));
        return factors.Features.SelectMany(feature => feature.NotesOn(chosen, factors))
            .Concat(shadowed.Select(name => KeyValuePair.Create(name, "without Dropout: a shadowed layer sees no inputs")));
    }

    public override FactorAdapter Adapt(in AdapterRequest request)
    {
        var own = factors with { Rank = request.Rank, Scale = ScaleOf(request.Site, request.Rank) };

        // Factors that have left the weight must be run: a hook that is passed by is then an error. Without anything else that is trained the loss of such a
        // model would not even have a gradient.
        return request.Way == Injection.Shadow ? new ShadowAdapter(request.Site, own, request.Reason)
            : request.Way == Injection.Replace ? new FactorLayerAdapter(request, own)
            : factors.Injection == Injection.Auto && AllowsShadow && !own.Start.ChangesBase ? new HookAdapter(request, own, new ShadowRule(own))
            : own.TrainOthers ? new FactorLayerAdapter(request, own)
            : new HookAdapter(request, own, shadow: null);
    }

    public override void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        var run = new FactorRun(factors, completed, [.. adapters.Cast<FactorAdapter>()], state);
        foreach (var feature in factors.Features)
            feature.AfterStep(run);
    }
}
