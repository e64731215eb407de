namespace LowRankTraining.Layers;

/// <content>The factors in their weight, temporarily and for good.</content>
internal partial class FactorLayerAdapter
{
    private TemporaryMerge? _merge;
    private bool _finished;

    public override void Merge(Device keep, long completed)
    {
        using var final = FinalA();
        _merge = new TemporaryMerge(Weight, A, final, keep);
        FoldIntoPlain(completed);
        Layer.Enabled = false;
    }

    public override void Unmerge()
    {
        _merge!.Undo(Weight, A);
        _merge = null;
        Layer.Enabled = IsActive && TrainsFactors;
    }

    public override void Finish(long completed)
    {
        using (no_grad())
        {
            using var final = FinalA();
            if (final is not null)
                A.copy_(final);
            FoldIntoPlain(completed);
            Instruments.Merges.Count();
            B.zero_();
        }

        base.Finish(completed);
        Weight.requires_grad = !Site.WasFrozen;
        _finished = true;
    }

    /// <summary>What the end of the training makes of A, a tensor of its own, or null where it leaves A as it is.</summary>
    private Tensor? FinalA()
    {
        using var scope = NewDisposeScope();
        var (last, a) = (A.detach(), A.detach());
        foreach (var feature in Settings.Features)
            a = feature.FinalA(this, a);
        return ReferenceEquals(a, last) ? null : a.MoveToOuterDisposeScope();
    }

    /// <summary>The last factors go into the weight, or the plain layer. None follow that could carry anything.</summary>
    private void FoldIntoPlain(long completed)
    {
        using var rounding = RoundingAt(completed);
        Layer.FoldInto(_plain, rounding);
    }
}

/// <summary>What a weight and its factors were before they were merged, until that is undone.</summary>
internal sealed class TemporaryMerge : IDisposable
{
    private readonly Tensor _weight;
    private readonly Tensor? _a;

    /// <param name="weight">W, before the factors go into it.</param>
    /// <param name="a">A, which becomes <paramref name="final"/>.</param>
    /// <param name="final">What the end of the training would make of A; null where it leaves A as it is.</param>
    /// <param name="keep">Where the copy of W is kept.</param>
    public TemporaryMerge(Parameter weight, Parameter a, Tensor? final, Device keep)
    {
        _weight = weight.detach().to(keep, copy: true).DetachFromDisposeScope();
        if (final is null)
            return;

        using var guard = no_grad();
        _a = a.detach().clone().DetachFromDisposeScope();
        a.copy_(final);
    }

    /// <summary>Both become what they were, bit for bit.</summary>
    public void Undo(Parameter weight, Parameter a)
    {
        using var guard = no_grad();
        weight.copy_(_weight);
        if (_a is not null)
            a.copy_(_a);
        Dispose();
    }

    public void Dispose()
    {
        _weight.Dispose();
        _a?.Dispose();
    }
}
