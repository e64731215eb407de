using LowRankTraining.Strategies;

namespace LowRankTraining.Layers;

/// <summary>Low-rank factors for the directions of a weight's rows, and a magnitude for each.</summary>
internal sealed class DoRAMethod(AdapterRecipe recipe, DoRA options) : AdapterMethod(recipe.Strategy, options)
{
    /// <value>Not by shadowing: the weight's gradient is that of the merged weight, whose parts could be told from each
    /// other only with the frozen weight kept beside it.</value>
    public override IReadOnlyList<Injection> Ways { get; } = [Injection.Replace, Injection.Hook];

    public override bool AdaptsFrozen => true;

    public override bool KeepsBase => true;

    public override long WantedRank(Site site) => recipe.For(site).Rank;

    public override void Check(IReadOnlyList<Site> sites) => recipe.Layers?.RequireUse(sites);

    public override Adapter Adapt(Site site, Injection way, string reason, bool mayShadow) => way == Injection.Replace
        ? new ReplacedByDoRA(site, recipe.For(site), options.NormGradient, reason)
        : new HookedDoRA(site, recipe.For(site), options.NormGradient, reason);
}
