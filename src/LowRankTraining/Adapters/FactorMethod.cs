using LowRankTraining.Diagnostics;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Logging;

namespace LowRankTraining.Adapters;

/// <summary>Low-rank factors beside frozen weights, merged and drawn anew in their time.</summary>
/// <remarks>At a restart: merge, draw new factors of the rank that is due, forget optimizer state. One matrix at a time.</remarks>
internal sealed class FactorMethod(AdapterRecipe recipe, WeightSpaceOptions options) : AdapterMethod(recipe.Strategy, options)
{
    private AdapterRecipe Recipe { get; } = recipe;

    /// <value>A gradient that comes before the first step finds no shadowed factors to start.</value>
    public override IReadOnlyList<Injection> Ways => Recipe.Init == FactorInit.LoRAGA ? [Injection.Replace, Injection.Hook] : base.Ways;

    public override bool KeepsBase => Recipe.Clock is { WarmStart: 0, Every: null };

    public override long WantedRank(Site site) => Recipe.For(site).Rank;

    public override void Check(IReadOnlyList<Site> sites) => Recipe.Layers?.RequireUse(sites);

    public override Adapter Adapt(Site site, Injection way, string reason, bool mayShadow) => way switch
    {
        Injection.Replace => new ReplacedLinear(site, Recipe.For(site), reason),

        // Factors that have left the weight must be run: a hook that is passed by is then an error.
        Injection.Hook => new HookedLinear(site, Recipe.For(site), reason, mayShadow && !Recipe.Init.ChangesBase()),
        _ => new ShadowAdapter(site, Recipe.For(site), reason),
    };

    public override void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        if (Recipe.Clock.WarmStart > 0 && completed == Recipe.Clock.WarmStart)
            TakeOver(completed, adapters, state);
        else if (Recipe.Clock.IsRestartAfter(completed))
            Restart(completed, adapters, state);
    }

    private void TakeOver(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        foreach (var adapter in adapters.OfType<FactorAdapter>())
            adapter.Activate(state);
        Logger?.FactorsTakeOver(Strategy, completed, adapters.Count);
    }

    private void Restart(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        Adapter.RequireMergeable(adapters);

        var (zeroed, total) = (0L, 0L);
        foreach (var adapter in adapters.OfType<FactorAdapter>())
        {
            var share = adapter.Restart(completed, state);
            (zeroed, total) = (zeroed + share.Zeroed, total + share.Total);
        }

        Logger?.Restarted(Strategy, Recipe.Clock.RestartsAfter(completed), completed, adapters.Count,
            Recipe.RankAfter(completed, long.MaxValue), total == 0 ? 0 : (double)zeroed / total);
    }
}
