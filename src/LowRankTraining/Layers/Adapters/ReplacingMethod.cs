using LowRankTraining.Numerics;
using TorchSharp.Modules;

namespace LowRankTraining.Layers;

/// <summary>Layers in the place of linear ones, from the first step to the last.</summary>
/// <param name="settings">What the method is told.</param>
/// <param name="layer">Makes the layer for a plain one: its weight's name, the layer, the rank, and a seed.</param>
internal sealed class ReplacingMethod(AdapterSettings settings, Func<string, Linear, int, ulong, ReparameterizedLinear> layer)
    : AdapterMethod<LayerAdapter>(settings)
{
    public override IReadOnlyList<Injection> Ways => [Injection.Replace];

    /// <value>Ranks by name; null for the same everywhere.</value>
    public RankAllocation? Ranks { get; init; }

    /// <value>Steps from one decomposition of the parts' product to the next; null for none.</value>
    public long? RefactorEvery { get; init; }

    /// <value>Whether matrices that are not adapted are trained, where everything else is. Default true.</value>
    public bool TrainsOtherMatrices { get; init; } = true;

    public override bool Trains(NamedParameter other) => base.Trains(other) && (TrainsOtherMatrices || !other.IsMatrix);

    public override IReadOnlyList<long> RanksFor(IReadOnlyList<Site> sites) => [.. sites.Select(site => Ranks?.For(site) ?? (long)Settings.Rank)];

    protected override LayerAdapter Make(in AdapterRequest request)
    {
        var (site, rank) = (request.Site, (int)Math.Min(request.Rank, request.Site.Limit));
        return new(request, Settings, layer(site.Name, site.Linear!, rank, RandomKey.For(Settings.Seed, site.Name, "factors", 0)));
    }

    protected override void AfterStep(long completed, IReadOnlyList<LayerAdapter> adapters, IOptimizerState state)
    {
        if (RefactorEvery is not { } every || completed % every != 0)
            return;

        Adapter.RequireMergeable(adapters);
        foreach (var adapter in adapters)
            adapter.Refactor(state);
    }
}
