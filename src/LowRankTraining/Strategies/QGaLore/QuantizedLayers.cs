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
