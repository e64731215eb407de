using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>A linear layer that has left its place in the model to another, and whose weight takes no memory until it is back.</summary>
internal sealed class DormantLinear(Site site)
{
    private readonly Linear _original = site.Linear!;

    /// <summary>Puts another layer into the place.</summary>
    public void GiveWayTo(nn.Module<Tensor, Tensor> layer)
    {
        layer.train(_original.training);
        site.Put(layer);

        using var nothing = empty([0], _original.weight.dtype, device: _original.weight.device);
        _original.Hold(nothing);
    }

    /// <summary>Comes back, with what has been learned.</summary>
    /// <param name="learned">The weight, m × n.</param>
    /// <param name="training">The mode of the layer that was in its place.</param>
    public void ComeBack(Tensor learned, bool training)
    {
        _original.Hold(learned);
        _original.train(training);
        site.Put(_original);
    }
}
