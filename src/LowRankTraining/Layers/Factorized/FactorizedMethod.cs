using LowRankTraining.Numerics;
using LowRankTraining.Strategies;

namespace LowRankTraining.Layers;

/// <summary>Trains factors in the place of weights.</summary>
/// <param name="strategy">The method's name.</param>
/// <param name="options">What it is told.</param>
/// <param name="init">What the factors start from.</param>
internal class FactorizedMethod(string strategy, WeightSpaceMethod options, FactorizedInit init) : AdapterMethod(strategy, options)
{
    private readonly WeightSpaceMethod _options = options;

    public override IReadOnlyList<Injection> Ways => [Injection.Replace];

    /// <value>Ranks by name; null for the same everywhere.</value>
    public RankAllocation? Ranks { get; init; }

    public FactorActivation Activation { get; init; }

    public override long WantedRank(Site site) => Ranks?.For(site) ?? _options.Rank;

    public override Adapter Adapt(Site site, Injection way, string reason, bool mayShadow) =>
        new FactorizedAdapter(site, new FactorizedLinear(site.Linear!.bias, Start(site), Activation), reason)
            { Seed = Seed, RuleOfU = _options.Adam, RuleOfV = _options.Adam };

    private FactorPair Start(Site site)
    {
        var (weight, rank, key) = (site.Weight, Math.Min(WantedRank(site), site.Limit), RandomKey.For(Seed, site.Name, "factors", 0));
        return init == FactorizedInit.TruncatedSvd
            ? FactorPair.OfSvd(weight, rank, key)
            : FactorPair.Gaussian(weight.shape[0], weight.shape[1], rank, weight.dtype, weight.device, key);
    }
}
