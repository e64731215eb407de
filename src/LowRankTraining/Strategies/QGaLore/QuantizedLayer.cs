using System.Diagnostics.CodeAnalysis;
using LowRankTraining.Layers;
using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>An <see cref="Int8Linear"/> in the place of a linear layer, whose weight gives its memory back until it returns.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The layer belongs to the model that it is put into.")]
internal sealed class QuantizedLayer
{
    private readonly Linear _plain;
    private readonly Int8Linear _layer;
    private readonly ReplaceEntry _entry;

    public QuantizedLayer(Site site, int group)
    {
        (_plain, _layer) = (site.Linear!, new Int8Linear(site.Linear!, group));
        _entry = new ReplaceEntry(site) { Layer = _layer };
        _entry.Install();
        _plain.HoldNothing();
    }

    public Parameter Weight => _layer.weight;

    public IWeightStore Store => _layer;

    /// <summary>Puts the plain layer back, with what has been learned.</summary>
    public void Restore()
    {
        using var learned = _layer.EffectiveWeight();
        _plain.Hold(learned);
        _entry.TakeOut();
    }

    /// <summary>Frees what <see cref="Restore"/> has taken out of the model.</summary>
    public void Release() => _layer.Release();
}
