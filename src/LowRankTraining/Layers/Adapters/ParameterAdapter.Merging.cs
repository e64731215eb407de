using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

internal abstract partial class ParameterAdapter
{
    private Tensor? _premerged;

    public override bool CanMerge => true;

    public override void Merge(Device keep, long completed)
    {
        _premerged = Weight.detach().to(keep, copy: true).DetachFromDisposeScope();
        FoldInForGood(completed);
        Enable(false);
    }

    public override void Unmerge()
    {
        using var guard = no_grad();
        Weight.copy_(_premerged!);
        _premerged!.Dispose();
        _premerged = null;
        Enable(_active);
    }
}
