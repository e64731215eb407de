using LowRankTraining.Diagnostics;
using LowRankTraining.Numerics;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Logging;

namespace LowRankTraining.Layers;

/// <summary>Grows the rank of all factors while they need it, then cuts them to what they need, all at once.</summary>
internal sealed class InRankMethod(string strategy, InRank options) : AdapterMethod(strategy, options)
{
    public override IReadOnlyList<Injection> Ways => [Injection.Replace];

    public override Adapter Adapt(Site site, Injection way, string reason, bool mayShadow) =>
        new InRankAdapter(site, Layer(site), options.Growth, options.Adam, Seed, reason);

    public override void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        var isLast = completed == options.GrowSteps;
        if (!isLast && (completed <= options.WarmupSteps || completed % options.CheckEvery != 0))
            return;

        var growing = adapters.OfType<InRankAdapter>().Where(adapter => !adapter.IsSettled(state)).ToArray();
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

    private FactorizedLinear Layer(Site site)
    {
        var (weight, key, growth) = (site.Weight, RandomKey.For(Seed, site.Name, "factors", 0), options.Growth);
        var (rows, columns, rank) = (weight.shape[0], weight.shape[1], growth.Active(growth.ModesAtFirst(site.Limit), site.Limit));
        return options.Base == InRankBase.Keep
            ? new(site.Linear!.bias, FactorPair.Nothing(rows, columns, rank, weight.dtype, weight.device, key), frozen: weight)
            : new(site.Linear!.bias, FactorPair.Kaiming(rows, columns, rank, growth.MaxRank(site.Limit), weight.dtype, weight.device, key));
    }
}
