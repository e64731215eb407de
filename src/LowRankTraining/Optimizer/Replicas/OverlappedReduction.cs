namespace LowRankTraining;

/// <summary>Sends to the other processes while the backward pass goes on: R, where nothing else of a gradient is needed.</summary>
internal sealed class OverlappedReduction(LowRankOptimizer optimizer, CountedWorld world) : IDisposable
{
    private const int LongestPause = 64;

    private readonly object _lock = new();
    private readonly List<OverlappedSums.Kind> _kinds = [];
    private WorkQueue? _queue;
    private OverlappedSums? _sums;
    private int _pause, _nextPause = 1;

    /// <value>Numbers that are sent in this window.</value>
    public long Length => _kinds.Sum(kind => kind.Length);

    /// <summary>Whether all that the processes have of a parameter has been sent.</summary>
    public static bool HasAll(ParameterState entry, LocalGradient held) => entry.Overlap.Place is not null && held == LocalGradient.Projected;

    /// <summary>Settles what is sent early before the next step, alike on every process: it goes by what the last step has exchanged, and by states.</summary>
    public void Plan()
    {
        if (!optimizer.SendsInBackward || _pause > 0 || world is not { Size: > 1, Background: not null })
            return;

        // What is used last has its gradients first.
        foreach (var entry in optimizer.Entries.Reverse())
            if (entry.Overlap.Length > 0 && entry.Plan.Sink is not null && entry.Plan.Rule.NeedsOnlyProjection(entry.Bag, entry.Context))
            {
                entry.Overlap.Place = _kinds.Count;
                _kinds.Add(new(entry.Overlap.Length, entry.Parameter.dtype.Computing(), entry.Parameter.device));
            }
    }

    /// <summary>A backward pass has all of a parameter's gradient. Where as many have had it as in the last window, that was the last one, and what is
    /// projected is sent. If it was not, the step finds out.</summary>
    /// <param name="entry">The parameter.</param>
    /// <param name="maySend">Whether what is projected is all, and the window still open.</param>
    public void Pass(ParameterState entry, bool maySend)
    {
        lock (_lock)
            if (++entry.Overlap.Passes == entry.Overlap.PassesBefore && maySend && entry.Overlap is { Place: { } place, IsSent: false } && Open() is { } sums)
                Put(sums, entry, place, lastLane: entry.Accumulated);
    }

    /// <summary>Sends what the backward passes have not completed, so that every process has sent everything.</summary>
    public void Finish()
    {
        if (Open() is not { } sums)
            return;

        foreach (var entry in optimizer.Entries)
            if (entry.Overlap.Place is { } place)
            {
                if (!entry.Overlap.IsSent)
                    Put(sums, entry, place, lastLane: null);
                entry.Overlap.IsLate |= sums.Tokens != optimizer.LocalTokens;
            }
    }

    /// <summary>Takes what has been sent early, of every parameter of which that is all.</summary>
    /// <param name="agreed">What the processes have together of each.</param>
    public void Take(IReadOnlyList<LocalGradient> agreed)
    {
        _sums?.Wait();
        foreach (var (entry, held) in optimizer.Entries.Zip(agreed))
        {
            if (HasAll(entry, held))
            {
                _sums!.CopyTo(entry.ProjectedOrZeros(), entry.Overlap.Place!.Value);
                entry.Lanes.Dispose();
            }

            entry.Overlap.Learn(entry.Accumulated?.numel() ?? 0);
        }

        // What is sent twice costs more than it saves: where that comes again and again, it is tried less and less often.
        if (_sums is null)
            _pause = Math.Max(0, _pause - 1);
        else
        {
            _nextPause = agreed.Any(held => held.HasFlag(LocalGradient.Late)) ? Math.Min(2 * _nextPause, LongestPause) : 1;
            _pause = _nextPause - 1;
        }
    }

    /// <summary>Begins another window.</summary>
    /// <param name="afterStep">Whether the one before had a step. If it had none, the next belongs to it as well, for the other processes.</param>
    public void Start(bool afterStep)
    {
        if (afterStep)
        {
            _sums?.Dispose();
            _sums = null;
            _kinds.Clear();
        }

        foreach (var entry in optimizer.Entries)
            entry.Overlap.Start(keepsPlace: !afterStep);
    }

    public void Dispose()
    {
        _queue?.Dispose();
        _sums?.Dispose();
    }

    private OverlappedSums? Open() =>
        _sums ??= _kinds.Count == 0 ? null : new(world.Background!, _queue ??= new(), optimizer.LocalTokens, _kinds);

    /// <summary>What a process has of a parameter, all of its lanes together; zeros where it has nothing.</summary>
    private void Put(OverlappedSums sums, ParameterState entry, int place, Tensor? lastLane)
    {
        using var scope = NewDisposeScope();
        var addend = world.LanesHere > 1 ? entry.Lanes.SumWith(lastLane) : entry.Accumulated;
        entry.Overlap.IsLate = addend is not null && addend.numel() != entry.Overlap.Length;
        sums.Put(place, entry.Overlap.IsLate ? null : addend);
        entry.Overlap.IsSent = true;
    }
}
