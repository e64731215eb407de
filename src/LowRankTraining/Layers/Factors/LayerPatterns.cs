namespace LowRankTraining.Layers;

/// <summary>Ranks and α of single layers, by patterns of their names.</summary>
internal sealed class LayerPatterns(IReadOnlyDictionary<string, int>? ranks, IReadOnlyDictionary<string, double>? alphas) : FactorFeature
{
    public int? RankOf(Site site) => Choose(ranks, site);

    public double? AlphaOf(Site site) => Choose(alphas, site);

    /// <exception cref="ArgumentException">A pattern matches none of the layers.</exception>
    public override void Check(IReadOnlyList<Site> sites)
    {
        var unused = (ranks?.Keys ?? []).Concat(alphas?.Keys ?? []).Distinct()
            .Where(pattern => !sites.Any(site => site.Names.Any(name => NamePattern.Matches(pattern, name)))).ToArray();
        if (unused.Length == 0)
            return;

        var names = sites.Select(site => NamePattern.ModuleOf(site.Name)).ToArray();
        throw new ArgumentException(
            $"{string.Join(", ", unused.Select(pattern => $"'{pattern}'"))} in RankPattern or AlphaPattern matches "
            + "none of the adapted layers "
            + $"({string.Join(", ", names.Take(12))}{(names.Length > 12 ? $" and {names.Length - 12} more" : "")}). "
            + $"{NearestNames.SentenceForPart(unused[0], names)} "
            + "A pattern is a name, the end of one from a dot on, or a regular expression for either. Nothing was changed.");
    }

    /// <summary>A shared weight is chosen for by any of its names, the first one first.</summary>
    private static TValue? Choose<TValue>(IReadOnlyDictionary<string, TValue>? values, Site site) where TValue : struct =>
        site.Names.Select(name => NamePattern.Choose(values, name)).FirstOrDefault(value => value is not null);
}
