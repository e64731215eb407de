namespace LowRankTraining.Strategies;

/// <summary>The 8-bit layers that a model has from the start, since it was quantized while it was made. Until this is disposed plain layers of the same shapes
/// stand in for them, without memory, so that a method is planned as for any model.</summary>
internal sealed class PrequantizedLayers : IDisposable
{
    private readonly Dictionary<Linear, (Int8Linear Layer, ModuleSlot[] Slots)> _layers = [];

    private PrequantizedLayers() { }

    /// <summary>Puts the plain layers in. Layers that a session is training stay.</summary>
    /// <exception cref="ArgumentException">A layer hangs where no other can. Nothing was changed.</exception>
    public static PrequantizedLayers StandIn(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var earlier = new PrequantizedLayers();
        Int8Linear[] found = [.. model.modules().OfType<Int8Linear>().Where(layer => !layer.IsAtWork).Distinct()];
        if (found.Length == 0)
            return earlier;

        var slots = ModuleSlot.Of(model);
        if (found.SelectMany(layer => slots[layer]).Select(slot => slot.Obstacle).FirstOrDefault(obstacle => obstacle is not null) is { } obstacle)
            throw new ArgumentException($"An 8-bit layer of the model cannot be trained where it is: {obstacle}. Nothing was changed.");

        foreach (var layer in found)
        {
            var (plain, places) = (layer.ToPlain(META), slots[layer].ToArray());
            earlier._layers[plain] = (layer, places);
            places.Put(plain, inPlaceOf: layer);
        }

        return earlier;
    }

    /// <summary>The 8-bit layer of a place, or null where there was none.</summary>
    public Int8Linear? Find(Site site) => site.Linear is { } plain && _layers.TryGetValue(plain, out var found) ? found.Layer : null;

    /// <summary>Every layer is in its place again, whether it is trained now or the method has been refused.</summary>
    public void Dispose()
    {
        foreach (var (plain, (layer, slots)) in _layers)
            slots.Put(layer, inPlaceOf: plain);
    }
}
