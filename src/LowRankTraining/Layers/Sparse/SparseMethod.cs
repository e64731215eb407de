using LowRankTraining.Diagnostics;
using LowRankTraining.Numerics;
using LowRankTraining.Strategies;

namespace LowRankTraining.Layers;

/// <summary>Low-rank factors and a sparse part in the place of weights.</summary>
internal sealed class SparseMethod(string strategy, SparseRecipe recipe, WeightSpaceMethod options) : AdapterMethod(strategy, options)
{
    private readonly bool _isStrict = options.Strict;

    /// <value>A hook would come too late: the layer has multiplied by its weight already.</value>
    public override IReadOnlyList<Injection> Ways { get; } = [Injection.Replace, Injection.Shadow];

    public override void Check(IReadOnlyList<Site> sites)
    {
        foreach (var site in sites)
            recipe.RequireUsable(site.Name, site.Weight);

        var empty = sites.Where(HasNoEntry).Select(site => $"{site.Name} ({string.Join(" x ", site.Weight.shape)})").ToArray();
        if (empty.Length == 0)
            return;

        var text = FormattableString.Invariant(
            $"a density of {recipe.Density} gives {empty.Length} matrices no sparse entry: {string.Join("; ", empty.Take(8))}");
        if (_isStrict)
            throw new ArgumentException($"Under Strict every matrix must have a sparse part, and {text}. "
                + "Raise Density, or leave these matrices out with Targets.Except. Nothing was changed.");
        if (Logger is not null)
            Logger.SingleEntry(Strategy, text);
    }

    /// <value>Ranks by name; null for the same everywhere.</value>
    public RankAllocation? Ranks { get; init; }

    public override long WantedRank(Site site) => Ranks?.For(site) ?? recipe.Rank;

    public override Adapter Adapt(Site site, Injection way, string reason, bool mayShadow)
    {
        var own = recipe with { Rank = (int)WantedRank(site) };
        return way == Injection.Replace ? new SparseReplacement(site, own, reason) : new SparseShadow(site, own, reason);
    }

    private bool HasNoEntry(Site site)
    {
        var (rows, columns) = site.Weight.shape.Sides();
        return Support.CountFor(recipe.Density, rows, columns) == 0;
    }
}
