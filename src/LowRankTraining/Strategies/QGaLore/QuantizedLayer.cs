namespace LowRankTraining.Strategies;

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
