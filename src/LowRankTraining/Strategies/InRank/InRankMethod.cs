namespace LowRankTraining.Strategies;

/// <summary>Grows the rank of all factors while they need it, then cuts them to what they need, all at once.</summary>
internal sealed class InRankMethod(
    AdapterSettings settings, InRank options, RankGrowth growth, Func<string, Linear, int, ulong, ReparameterizedLinear> layer)
    : ReplacingMethod(settings, layer)
{
    public override InRankAdapter Adapt(in AdapterRequest request)
    {
        var rank = growth.Active(growth.ModesAtFirst(request.Site.Limit), request.Site.Limit);
        return new(request, Settings, (FactorizedLinear)LayerFor(request.Site, rank), growth);
    }

    public override void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        var isLast = completed == options.GrowSteps;
        if (!isLast && (completed <= options.WarmupSteps || completed % options.CheckEvery != 0))
            return;

        var growing = adapters.Cast<InRankAdapter>().Where(adapter => !adapter.IsSettled(state)).ToArray();
        if (growing.Length == 0)
            return;

        Adapter.RequireMergeable(growing);
        foreach (var adapter in growing)
            if (adapter.Check(completed, state, isLast))
                Logger?.RankGrew(Strategy, completed, adapter.Name, adapter.ModesIn(state), adapter.Rank);

        if (isLast || growing.All(adapter => adapter.StableChecks(state) >= options.StableChecks))
            Settle(completed, growing, state);
    }

    private void Settle(long completed, InRankAdapter[] growing, IOptimizerState state)
    {
        var dropped = growing.Average(adapter => adapter.Settle(completed, state));
        Logger?.RanksSettled(Strategy, completed, growing.Length, growing.Average(adapter => adapter.Rank), dropped);
    }
}
