using System.Diagnostics.CodeAnalysis;
using TorchSharp.Modules;

namespace LowRankTraining.Layers;

/// <summary>An <see cref="Int8Linear"/> in the place of a linear layer, whose weight gives its memory back until it returns.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The layer belongs to the model that it is put into.")]
internal sealed class QuantizedLayer
{
    private readonly DormantLinear _original;
    private readonly Int8Linear _layer;

    public QuantizedLayer(Site site, int group)
    {
        (_original, _layer) = (new DormantLinear(site), new Int8Linear(site.Linear!, group));
        _original.GiveWayTo(_layer);
    }

    public Parameter Weight => _layer.weight;

    public IWeightStore Store => _layer;

    /// <summary>Puts the plain layer back, with what has been learned.</summary>
    public void Restore()
    {
        using var learned = _layer.EffectiveWeight();
        _original.ComeBack(learned, _layer.training);
    }

    /// <summary>Frees what <see cref="Restore"/> has taken out of the model.</summary>
    public void Release() => _layer.Release();
}
