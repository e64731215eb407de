namespace LowRankTraining.Strategies;

/// <summary>Low-rank factors and a sparse part in the place of weights.</summary>
internal sealed class SparseMethod(AdapterSettings settings, SparseRecipe recipe, RankAllocation? ranks) : AdapterMethod(settings)
{
    /// <value>A hook would come too late: the layer has multiplied by its weight already.</value>
    public override IReadOnlyList<Injection> Ways => [Injection.Replace, Injection.Shadow];

    public override IReadOnlyList<long> RanksFor(IReadOnlyList<Site> sites) => [.. sites.Select(site => ranks?.For(site) ?? (long)Settings.Rank)];

    public override void Check(IReadOnlyList<Site> sites)
    {
        foreach (var site in sites)
            recipe.RequireUsable(site.Name, site.Weight);

        var empty = sites.Where(HasNoEntry).Select(site => $"{site.Name} ({string.Join(" x ", site.Weight.shape)})").ToArray();
        if (empty.Length == 0)
            return;

        var text = FormattableString.Invariant(
            $"a density of {recipe.Density} gives {empty.Length} matrices no sparse entry: {string.Join("; ", empty.Take(8))}");
        if (Settings.Strict)
            throw new ArgumentException($"Under Strict every matrix must have a sparse part, and {text}. "
                + "Raise Density, or leave these matrices out with Targets.Except. Nothing was changed.");
        Logger?.SingleEntry(Strategy, text);
    }

    public override Adapter Adapt(in AdapterRequest request)
    {
        var own = recipe with { Rank = (int)request.Rank };
        return request.Way == Injection.Replace
            ? new SparseReplacement(request, Settings, own, own.LayerFor(request.Site.Name, request.Site.Linear!))
            : new SparseShadow(request.Site, own, request.Reason);
    }

    private bool HasNoEntry(Site site)
    {
        var (rows, columns) = site.Weight.shape.Sides();
        return Support.CountFor(recipe.Density, rows, columns) == 0;
    }
}
