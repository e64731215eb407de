using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <content>What is sent to the other processes while the backward pass goes on: R, where nothing else of a gradient is needed.</content>
public sealed partial class LowRankOptimizer
{
    private const int LongestPause = 64;

    private readonly object _earlyLock = new();
    private readonly List<EarlySums.Kind> _earlyKinds = [];
    private Courier? _courier;
    private EarlySums? _early;
    private int _pause, _nextPause = 1;

    /// <value>Whether under <see cref="GradientFlow.Projected"/> what is projected is sent while the backward pass goes on, where <see cref="World"/> has a
    /// channel for that (<see cref="ICollective.Background"/>). The bits are those of sending in the step. It takes a copy of what is projected, rank · l
    /// numbers a matrix. <see cref="LocalTokens"/> is to be set before the backward pass: where it changes after that, or a backward pass follows that the
    /// last window did not have, numbers are sent once more in the step. The same on every process; a change counts from the next step on. Default
    /// true.</value>
    public bool SendsInBackward { get; set; } = true;

    /// <summary>Settles what is sent early before the next step, alike on every process: it goes by what the last step has exchanged, and by states.</summary>
    private void PlanEarly()
    {
        if (!SendsInBackward || _pause > 0 || _world is not { Size: > 1, Background: not null })
            return;

        // What is used last has its gradients first.
        foreach (var entry in Enumerable.Reverse(_entries))
            if (entry.Early.Length > 0 && entry.Plan.Sink is not null && entry.Plan.Rule.NeedsOnlyProjection(entry.Bag, ContextFor(entry)))
            {
                entry.Early.Place = _earlyKinds.Count;
                _earlyKinds.Add(new(entry.Early.Length, entry.Parameter.dtype.Computing(), entry.Parameter.device));
            }
    }

    private EarlySums? OpenEarly() =>
        _early ??= _earlyKinds.Count == 0 ? null : new(_world!.Background!, _courier ??= new(), LocalTokens, _earlyKinds);

    /// <summary>A backward pass has all of a parameter's gradient. Where as many have had it as in the last window, that was the last one, and what is
    /// projected is sent. If it was not, the step finds out.</summary>
    private void SendEarly(ParameterState entry, bool isProjected)
    {
        lock (_earlyLock)
            if (++entry.Early.Passes == entry.Early.PassesBefore && isProjected && !_isReduced
                && entry.Early.Place is { } place && OpenEarly()?.Has(place) == false)
                PutEarly(entry, place, lastLane: AccumulatedIn(entry));
    }

    /// <summary>What a process has of a parameter, all of its lanes together; zeros where it has nothing.</summary>
    private void PutEarly(ParameterState entry, int place, Tensor? lastLane)
    {
        using var scope = NewDisposeScope();
        var addend = LanesHere > 1 ? entry.Lanes.SumWith(lastLane) : AccumulatedIn(entry);
        entry.Early.IsLate = addend is not null && addend.numel() != entry.Early.Length;
        _early!.Put(place, entry.Early.IsLate ? null : addend);
    }

    /// <summary>Sends what the backward passes have not completed, so that every process has sent everything.</summary>
    private void FinishEarly()
    {
        if (OpenEarly() is not { } sums)
            return;

        foreach (var entry in _entries)
            if (entry.Early.Place is { } place)
            {
                if (!sums.Has(place))
                    PutEarly(entry, place, lastLane: null);
                entry.Early.IsLate |= sums.Tokens != LocalTokens;
            }
    }

    private static bool IsTakenEarly(ParameterState entry, Held held) => entry.Early.Place is not null && held == Held.Projected;

    /// <summary>Takes what has been sent early, of every parameter of which that is all.</summary>
    private void TakeEarly(IReadOnlyList<Held> agreed)
    {
        _early?.Wait();
        foreach (var (entry, held) in _entries.Zip(agreed))
        {
            if (IsTakenEarly(entry, held))
            {
                _early!.CopyTo(AccumulatedIn(entry) ?? ProjectedZeros(entry), entry.Early.Place!.Value);
                entry.Lanes.Dispose();
            }

            entry.Early.Learn(AccumulatedIn(entry)?.numel() ?? 0);
        }

        // What is sent twice costs more than it saves: where that comes again and again, it is tried less and less often.
        if (_early is null)
            _pause = Math.Max(0, _pause - 1);
        else
        {
            _nextPause = agreed.Any(held => held.HasFlag(Held.Late)) ? Math.Min(2 * _nextPause, LongestPause) : 1;
            _pause = _nextPause - 1;
        }
    }

    /// <summary>What there is of a parameter changes: what has been sent is not that.</summary>
    private void ChangeSinceSent(ParameterState entry) => entry.Early.IsLate |= entry.Early.Place is { } place && _early?.Has(place) == true;

    /// <summary>Begins another window. To one that had no step it belongs as well, for the other processes.</summary>
    private void StartEarly()
    {
        if (_isReduced)
        {
            _early?.Dispose();
            _early = null;
            _earlyKinds.Clear();
        }

        foreach (var entry in _entries)
        {
            ChangeSinceSent(entry);
            entry.Early.Start(keepsPlace: !_isReduced);
        }
    }

    private void DisposeEarly()
    {
        _courier?.Dispose();
        _early?.Dispose();
    }

    /// <summary>What is known of sending a parameter's R early.</summary>
    private sealed class EarlyPart
    {
        /// <value>Numbers of R that the last step has exchanged; 0 where it has not.</value>
        public long Length { get; private set; }

        /// <value>Its place among those that are sent early in this window; null where it is not.</value>
        public int? Place { get; set; }

        /// <value>Backward passes that have had a gradient for it in this window.</value>
        public int Passes { get; set; }

        /// <value>The same of the window before.</value>
        public int PassesBefore { get; private set; }

        /// <value>Whether something else was sent than what there is now.</value>
        public bool IsLate { get; set; }

        public void Learn(long length) => (Length, PassesBefore) = (length, Passes);

        public void Start(bool keepsPlace)
        {
            Passes = 0;
            if (!keepsPlace)
                (Place, IsLate) = (null, false);
        }
    }
}
