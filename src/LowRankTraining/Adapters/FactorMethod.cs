using LowRankTraining.Diagnostics;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>Low-rank factors beside frozen weights, merged and drawn anew in their time.</summary>
/// <remarks>At a restart: merge, draw new factors of the rank that is due, forget optimizer state. One matrix at a time.</remarks>
internal sealed class FactorMethod(AdapterRecipe recipe, WeightSpaceOptions options) : AdapterMethod(recipe.Strategy, options)
{
    private AdapterRecipe Recipe { get; } = recipe;

    public override IEnumerable<KeyValuePair<string, string>> Check(IReadOnlyList<(Site Site, Injection Way)> chosen) => QuantizedBase.Check(chosen, Recipe, Logger, Strict);

    public override Adapter Adapt(Site site, Injection way, string reason, bool mayShadow) => way switch
    {
        Injection.Replace when Recipe.Base != BaseFormat.Dense => new ReplacedQuantizedLinear(site, Recipe, reason),
        Injection.Replace => new ReplacedLinear(site, Recipe, reason),
        Injection.Hook => new HookedLinear(site, Recipe, reason, mayShadow),
        _ => new ShadowAdapter(site, Recipe, reason),
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
        var before = Probe();

        var (zeroed, total) = (0L, 0L);
        foreach (var adapter in adapters.OfType<FactorAdapter>())
        {
            var share = adapter.Restart(completed, state);
            (zeroed, total) = (zeroed + share.Zeroed, total + share.Total);
        }

        var after = Probe();
        Logger?.Restarted(Strategy, Recipe.Clock.RestartsAfter(completed), completed, adapters.Count,
            Recipe.RankAfter(completed, long.MaxValue), total == 0 ? 0 : (double)zeroed / total, before is { } loss ? $"; loss {loss:0.######} before, {after:0.######} after" : "");
    }

    private double? Probe()
    {
        using var scope = NewDisposeScope();
        return Recipe.LossProbe?.Invoke();
    }
}
