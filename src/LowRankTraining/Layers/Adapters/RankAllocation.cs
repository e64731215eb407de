namespace LowRankTraining.Layers;

/// <summary>A rank for each matrix of a model, by the name of its weight.</summary>
/// <param name="Ranks">Ranks of at least 1, by qualified name: "layers.0.attn.q.weight".</param>
/// <remarks>Found by a <c>WeLorePlan</c>, or made by hand; options named <c>Ranks</c> take one.</remarks>
public sealed record RankAllocation(IReadOnlyDictionary<string, int> Ranks) : IPart
{
    /// <value>The mean of all ranks.</value>
    public double Mean => Ranks.Count == 0 ? 0 : Ranks.Values.Average();

    /// <inheritdoc/>
    public void Check(Checks checks)
    {
        foreach (var (name, rank) in Ranks)
            checks.Require(rank >= 1, $"{checks.PathOf(nameof(Ranks))} gives '{name}' the rank {rank}: it must be at least 1.");
    }

    /// <summary>The rank of a matrix; null where it has none.</summary>
    public int? For(string name) => Ranks.TryGetValue(name, out var rank) ? rank : null;

    /// <summary>The rank of a matrix by any of its names, the first one first.</summary>
    internal int? For(Site site) => site.Names.Select(For).FirstOrDefault(rank => rank is not null);

    /// <summary>The same proportions at another mean, rounded, and nowhere below 1: what a method with small ranks takes from a plan with large ones.</summary>
    /// <param name="mean">The mean to come to, at least 1.</param>
    public RankAllocation WithMean(double mean)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mean, 1);
        var factor = mean / Mean;
        return new(Ranks.ToDictionary(pair => pair.Key, pair => Math.Max(1, (int)Math.Round(pair.Value * factor, MidpointRounding.AwayFromZero))));
    }
}
