namespace LowRankTraining.Layers;

/// <summary>How much of the factors' first moments a restart has set to zero, counted where they are and read once, by whoever asks.</summary>
internal sealed class ZeroedShare : IDisposable
{
    private readonly List<Tensor> _left = [];
    private long _total;

    /// <summary>Counts a moment that has been reset in part.</summary>
    public void Count(Tensor moment)
    {
        _total += moment.numel();
        _left.Add(moment.count_nonzero().DetachFromDisposeScope());
    }

    /// <summary>Counts a moment that is gone.</summary>
    public void CountAll(long entries) => _total += entries;

    /// <summary>Zeros as a share of all entries; 0 where there are none.</summary>
    public double Read()
    {
        using var scope = NewDisposeScope();
        var left = _left.GroupBy(count => (count.device_type, count.device_index)).ToArray().Sum(counts => stack(counts).sum().ToInt64());
        return _total == 0 ? 0 : (double)(_total - left) / _total;
    }

    public void Dispose() => _left.ForEach(count => count.Dispose());
}
