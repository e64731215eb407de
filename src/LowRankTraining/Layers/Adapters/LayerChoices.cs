using LowRankTraining.Strategies;

namespace LowRankTraining.Layers;

/// <summary>Rank and scale of every layer: what the patterns of the options say, else what the options say for all.</summary>
internal sealed class LayerChoices(LoRAMethod options)
{
    public (int Rank, double Scale) For(Site site)
    {
        var rank = Choose(options.RankPattern, site) ?? options.Rank;
        var alpha = Choose(options.AlphaPattern, site) ?? options.Alpha;
        return (rank, options.ScaleOf(alpha, rank));
    }

    /// <exception cref="ArgumentException">A pattern matches none of the layers.</exception>
    public void RequireUse(IReadOnlyList<Site> sites)
    {
        var unused = (options.RankPattern?.Keys ?? []).Concat(options.AlphaPattern?.Keys ?? []).Distinct()
            .Where(pattern => !sites.Any(site => site.Names.Any(name => NamePattern.Matches(pattern, name)))).ToArray();
        if (unused.Length == 0)
            return;

        var names = sites.Select(site => NamePattern.ModuleOf(site.Name)).ToArray();
        throw new ArgumentException(
            $"{string.Join(", ", unused.Select(pattern => $"'{pattern}'"))} in {nameof(LoRAMethod.RankPattern)} or {nameof(LoRAMethod.AlphaPattern)} matches "
            + "none of the adapted layers "
            + $"({string.Join(", ", names.Take(12))}{(names.Length > 12 ? $" and {names.Length - 12} more" : "")}). "
            + "A pattern is a name, the end of one from a dot on, or a regular expression for either. Nothing was changed.");
    }

    /// <summary>A shared weight is chosen for by any of its names, the first one first.</summary>
    private static TValue? Choose<TValue>(IReadOnlyDictionary<string, TValue>? values, Site site) where TValue : struct =>
        site.Names.Select(name => NamePattern.Choose(values, name)).FirstOrDefault(value => value is not null);
}
