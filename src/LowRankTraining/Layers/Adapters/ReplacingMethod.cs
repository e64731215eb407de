namespace LowRankTraining.Layers;

/// <summary>Layers in the place of linear ones, from the first step to the last. Between steps the parts' product may be decomposed again.</summary>
/// <param name="settings">What the method is told.</param>
/// <param name="layer">Makes the layer for a plain one: its weight's name, the layer, the rank, and a seed.</param>
internal class ReplacingMethod(AdapterSettings settings, Func<string, Linear, int, ulong, ReparameterizedLinear> layer) : AdapterMethod(settings)
{
    /// <value>Steps from one decomposition of the parts' product to the next; null for none.</value>
    public long? RefactorEvery { get; init; }

    /// <value>Whether matrices that are not adapted are trained, where everything else is. Default true.</value>
    public bool TrainsOtherMatrices { get; init; } = true;

    public sealed override IReadOnlyList<Injection> Ways => [Injection.Replace];

    public override bool Trains(NamedParameter other) => base.Trains(other) && (TrainsOtherMatrices || !other.IsMatrix);

    public override LayerAdapter Adapt(in AdapterRequest request) => new(request, Settings, LayerFor(request.Site, request.Rank));

    public override void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        if (RefactorEvery is not { } every || completed % every != 0)
            return;

        Adapter.RequireMergeable(adapters);
        foreach (var adapter in adapters.Cast<LayerAdapter>())
            adapter.Refactor(state);
    }

    /// <summary>The layer in the place of a plain one, of a rank that is lowered to the short side of the weight.</summary>
    protected ReparameterizedLinear LayerFor(Site site, long rank) =>
        layer(site.Name, site.Linear!, (int)Math.Min(rank, site.Limit), RandomKey.For(Settings.Seed, site.Name, "factors", 0));
}
