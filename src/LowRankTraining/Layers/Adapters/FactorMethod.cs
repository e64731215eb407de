using LowRankTraining.Diagnostics;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>Low-rank factors beside frozen weights, merged and drawn again in their time.</summary>
/// <remarks>At a restart: merge, draw new factors of the rank that is due, clear optimizer state. Without restarts the
/// rank changes at any step. One matrix at a time.</remarks>
internal class FactorMethod(AdapterRecipe recipe, WeightSpaceMethod options) : AdapterMethod(recipe.Strategy, options)
{
    protected AdapterRecipe Recipe { get; } = recipe;

    /// <value>Whether a hook that the model passes by may become a shadow.</value>
    protected virtual bool MayShadow => true;

    /// <value>A gradient that comes before the first step finds no shadowed factors to start.</value>
    public override IReadOnlyList<Injection> Ways => Recipe.Init == FactorInit.LoRAGA ? [Injection.Replace, Injection.Hook] : base.Ways;

    public override bool KeepsBase => Recipe is { Clock: { WarmStart: 0, Every: null }, RankSchedule: ConstantRank, Switching: null };

    /// <value>A warm start trains the weight itself.</value>
    public override bool AdaptsFrozen => Recipe.Clock.WarmStart == 0;

    public override long WantedRank(Site site) => RecipeFor(site).Rank;

    public override void Check(IReadOnlyList<Site> sites)
    {
        Recipe.Layers?.RequireUse(sites);
        foreach (var site in Recipe.Init.Decomposes() ? sites : [])
            FactorStart.RequireFinite(site.Name, site.Weight, $"start with {nameof(FactorInit)}.{nameof(FactorInit.Kaiming)}");
    }

    public override IEnumerable<KeyValuePair<string, string>> NotesOn(IReadOnlyList<(Site Site, Injection Way)> chosen) =>
        QuantizedBase.Check(chosen, Recipe, Logger, Strict);

    public override Adapter Adapt(Site site, Injection way, string reason, bool mayShadow) => way switch
    {
        Injection.Replace when Recipe.Base != BaseFormat.Dense => new ReplacedQuantizedLinear(site, RecipeFor(site), reason),
        Injection.Replace => new ReplacedLinear(site, RecipeFor(site), reason),

        // Factors that have left the weight must be run: a hook that is passed by is then an error.
        Injection.Hook => new HookedLinear(site, RecipeFor(site), reason, mayShadow && MayShadow && !Recipe.Init.ChangesBase()),
        _ => new ShadowAdapter(site, RecipeFor(site), reason),
    };

    public override void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        if (Recipe.Clock.WarmStart > 0 && completed == Recipe.Clock.WarmStart)
            TakeOver(completed, adapters, state);
        else if (Recipe.Clock.IsRestartAfter(completed))
            Restart(completed, adapters, state);
        else if (!Recipe.Clock.HasRestarts)
            ChangeRanks(completed, adapters, state);
    }

    /// <summary>What is done to one matrix.</summary>
    protected virtual AdapterRecipe RecipeFor(Site site) => Recipe.For(site);

    private void TakeOver(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        foreach (var adapter in adapters.OfType<FactorAdapter>())
            adapter.Activate(state);
        Logger?.FactorsTakeOver(Strategy, completed, adapters.Count);
    }

    private void ChangeRanks(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        var due = adapters.OfType<FactorAdapter>().Where(adapter => adapter.RankAfter(completed) != adapter.Rank).ToArray();
        if (due.Length == 0)
            return;

        Adapter.RequireMergeable(due);
        foreach (var adapter in due)
            adapter.ChangeRank(completed, state);
        Logger?.RankChanged(Strategy, due.Length, Recipe.RankAfter(completed, long.MaxValue), completed);
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
            Recipe.RankAfter(completed, long.MaxValue), total == 0 ? 0 : (double)zeroed / total,
            before is { } loss ? $"; loss {loss:0.######} before, {after:0.######} after" : "");
    }

    private double? Probe()
    {
        using var scope = NewDisposeScope();
        return Recipe.LossProbe?.Invoke();
    }
}
