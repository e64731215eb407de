namespace LowRankTraining.Layers;

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
