namespace LowRankTraining;

/// <summary>Adds up micro-batches as they come, by the binary tree of <see cref="TreeSum"/>.</summary>
/// <remarks>A binary counter: level k holds the sum of 2ᵏ neighbors or nothing, so that of n micro-batches at most log₂ n + 1 sums are kept.</remarks>
internal sealed class LaneSum : IDisposable
{
    private readonly List<Tensor?> _levels = [];
    private int _count;

    /// <value>What is kept: sums of micro-batches.</value>
    public IEnumerable<Tensor> Levels => _levels.OfType<Tensor>();

    /// <summary>Adds the next micro-batch.</summary>
    /// <param name="lane">Is taken over; null where the micro-batch has nothing to add.</param>
    public void Add(Tensor? lane)
    {
        var (sum, level) = (lane?.DetachFromDisposeScope(), 0);
        for (var rest = _count++; rest % 2 == 1; rest /= 2)
            sum = Plus(_levels[level++], sum);

        if (level == _levels.Count)
            _levels.Add(null);
        _levels[level] = sum;
        for (var lower = 0; lower < level; lower++)
            _levels[lower] = null;
    }

    /// <summary>What the sum of all would be after one more, in the same bits. Everything is kept.</summary>
    /// <param name="last">Stays the caller's; null where there is none.</param>
    public Tensor? SumWith(Tensor? last)
    {
        var sum = last?.clone();
        foreach (var level in _levels)
            sum = sum is null || level is null ? sum ?? level?.clone() : sum.add_(level);
        return sum;
    }

    /// <summary>The sum of all, or null where none had anything to add. Nothing is kept.</summary>
    /// <returns>The caller disposes it.</returns>
    public Tensor? Take()
    {
        var sum = _levels.Aggregate((Tensor?)null, (sum, level) => Plus(level, sum));
        _levels.Clear();
        _count = 0;
        return sum;
    }

    /// <summary>Drops what has been added.</summary>
    public void Dispose()
    {
        foreach (var level in _levels)
            level?.Dispose();
        _levels.Clear();
        _count = 0;
    }

    private static Tensor? Plus(Tensor? left, Tensor? right)
    {
        if (left is null || right is null)
            return left ?? right;
        using (right)
            return left.add_(right);
    }
}
