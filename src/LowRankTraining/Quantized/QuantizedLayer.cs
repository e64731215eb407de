using System.Diagnostics.CodeAnalysis;
using LowRankTraining.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Quantized;

/// <summary>An <see cref="Int8Linear"/> in the place of a linear layer, whose weight gives its memory back meanwhile.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The layer belongs to the model that it is put into.")]
internal sealed class QuantizedLayer
{
    private readonly Linear _original;
    private readonly Slot _slot;
    private readonly Int8Linear _layer;

    public QuantizedLayer(Site site, int group)
    {
        (_original, _slot) = (site.Linear!, site.Slots[0]);
        _layer = new Int8Linear(_original, group);
        _layer.train(_original.training);
        _slot.Put(_layer);

        _original.weight.grad = null!;
        using var nothing = empty([0], _original.weight.dtype, device: _original.weight.device);
        Hold(nothing);
    }

    public Parameter Weight => _layer.weight;

    public IWeightStore Store => _layer;

    /// <summary>Puts the plain layer back, with what has been learned.</summary>
    public void Restore()
    {
        using var learned = _layer.EffectiveWeight();
        Hold(learned);
        _original.train(_layer.training);
        _slot.Put(_original);
    }

    /// <summary>Frees what <see cref="Restore"/> has taken out of the model.</summary>
    public void Release() => _layer.Release();

    /// <summary>The parameter stays the same object: others may refer to it.</summary>
    private void Hold(Tensor values)
    {
        using var guard = no_grad();
        _original.weight.set_(values);
    }
}
