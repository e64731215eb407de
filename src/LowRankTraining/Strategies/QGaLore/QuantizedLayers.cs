namespace LowRankTraining.Strategies;

/// <summary>What has become of linear layers whose weights were to be kept in 8 bits.</summary>
/// <param name="Layers">Those that are in 8 bits now, by the names of their weights.</param>
/// <param name="Reasons">Why the others are not.</param>
internal sealed record QuantizedLayers(IReadOnlyDictionary<string, QuantizedLayer> Layers, IReadOnlyDictionary<string, string> Reasons)
{
    /// <summary>Puts 8-bit layers into their places, one after the other: the memory of one weight is given back before the next is quantized.</summary>
    public static QuantizedLayers In(IEnumerable<Site> sites, Func<Site, Int8Linear> layer, string strategy, ILogger? logger)
    {
        var choices = sites.Select(site => (Site: site, Choice: site.Choose(Injection.Replace, [Injection.Replace])))
            .ToLookup(pair => pair.Choice.Way is not null);
        var reasons = choices[false].ToDictionary(pair => pair.Site.Name, pair => pair.Choice.Reason);
        if (reasons.Count > 0)
            logger?.WeightsNotQuantized(strategy, reasons.Count, string.Join("; ", reasons.Take(8).Select(pair => $"{pair.Key} ({pair.Value})")));

        return new(choices[true].ToDictionary(pair => pair.Site.Name, pair => new QuantizedLayer(pair.Site, layer(pair.Site))), reasons);
    }
}

/// <summary>An <see cref="Int8Linear"/> in the place of a linear layer, whose weight gives its memory back until it returns.</summary>
internal sealed class QuantizedLayer
{
    private readonly Linear _plain;
    private readonly Int8Linear _layer;
    private readonly ReplaceInjector _injector;

    public QuantizedLayer(Site site, Int8Linear layer)
    {
        (_plain, _layer) = (site.Linear!, layer);
        _layer.weight.requires_grad = _plain.weight.requires_grad;
        _injector = new ReplaceInjector(site) { Layer = _layer };
        _injector.Install();
        _plain.HoldNothing();
    }

    public Parameter Weight => _layer.weight;

    public IWeightStore Store => _layer;

    public bool IsAtWork { set => _layer.IsAtWork = value; }

    /// <summary>Puts the plain layer back, with what has been learned.</summary>
    public void Restore()
    {
        using var learned = _layer.EffectiveWeight();
        _plain.Hold(learned);
        _injector.Remove();
        IsAtWork = false;
    }

    /// <summary>Frees what <see cref="Restore"/> has taken out of the model.</summary>
    public void Release() => _layer.Release();
}
