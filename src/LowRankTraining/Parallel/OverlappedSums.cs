using System.Runtime.ExceptionServices;

namespace LowRankTraining;

/// <summary>Averages many tensors over the ranks on a thread of its own, while others of them are still computed.</summary>
/// <remarks>Which message holds what, and the order of messages, is settled before anything is there, alike on every rank. A message goes when it is full and
/// those before it have gone: when a tensor comes has no influence but on time, and numbers are added up as <see cref="GradientBuckets"/> adds them.</remarks>
internal sealed class OverlappedSums : IDisposable
{
    /// <summary>Short enough that little is left to be sent when the last tensor has come, long enough for the network.</summary>
    private const long LeastBytes = 1 << 20, Messages = 16;

    private readonly ICollective _world;
    private readonly WorkQueue _queue;
    private readonly List<Message> _messages = [];
    private readonly Place[] _places;
    private readonly ManualResetEventSlim _done = new();
    private ExceptionDispatchInfo? _failure;
    private double _share;
    private int _next;

    /// <summary>Plans the messages, and tells the others what this rank's numbers count.</summary>
    /// <param name="world">The ranks, by a channel that nobody else uses.</param>
    /// <param name="queue">Does the sending.</param>
    /// <param name="tokens">How much this rank counts; alike in proportion to those of the others.</param>
    /// <param name="kinds">The tensors, in the order in which they are likely to come; at least one.</param>
    public OverlappedSums(ICollective world, WorkQueue queue, double tokens, IReadOnlyList<Kind> kinds)
    {
        (_world, _queue, Tokens) = (world, queue, tokens);
        _places = Plan(kinds);
        _queue.Enqueue(() => Run(() => AgreeOnShare(kinds[0].Device)));
    }

    /// <value>How much this rank counts.</value>
    public double Tokens { get; }

    /// <summary>Takes a copy of a tensor; sends what is complete.</summary>
    /// <param name="place">Which of them.</param>
    /// <param name="addend">What this rank has of it, or null for zeros.</param>
    public void Put(int place, Tensor? addend)
    {
        using var scope = NewDisposeScope();
        lock (_messages)
        {
            var (message, start, length) = _places[place];
            var numbers = message.Open().narrow(0, start, length);
            if (addend is null)
                numbers.zero_();
            else
                numbers.copy_(addend.reshape(-1));

            message.Missing--;
            for (; _next < _messages.Count && _messages[_next].Missing == 0; _next++)
            {
                var (full, isLast) = (_messages[_next], _next == _messages.Count - 1);
                _queue.Enqueue(() => Run(() => Send(full), isLast));
            }
        }
    }

    /// <summary>Waits until everything has been sent and received. Every tensor has come before.</summary>
    public void Wait()
    {
        _done.Wait();
        _failure?.Throw();
    }

    /// <summary>Puts an average where it belongs, once it is there.</summary>
    public void CopyTo(Tensor target, int place)
    {
        using var scope = NewDisposeScope();
        var (message, start, length) = _places[place];
        GradientBuckets.Put(message.Open().narrow(0, start, length), target, 0, length);
    }

    /// <summary>Frees the messages, unless one is on its way.</summary>
    public void Dispose()
    {
        if (!_done.IsSet)
            return;
        _messages.ForEach(message => message.Dispose());
        _done.Dispose();
    }

    private Place[] Plan(IReadOnlyList<Kind> kinds)
    {
        var most = Math.Clamp(kinds.Sum(kind => kind.Bytes) / Messages, LeastBytes, GradientBuckets.Bytes);
        var places = new Place[kinds.Count];
        foreach (var (kind, place) in kinds.Select((kind, place) => (kind, place)))
        {
            if (_messages.Count == 0 || !_messages[^1].Takes(kind, most))
                _messages.Add(new(kind));
            places[place] = new(_messages[^1], _messages[^1].Add(kind.Length), kind.Length);
        }

        return places;
    }

    private void AgreeOnShare(Device device)
    {
        using var scope = NewDisposeScope();
        var all = empty(_world.Size, ScalarType.Float64, device);
        _world.AllGather(tensor([Tokens], ScalarType.Float64, device), all);
        _share = Tokens / all.cpu().data<double>().ToArray().Sum();
    }

    private void Send(Message message)
    {
        GradientBuckets.Weigh(message.Open(), _share);
        _world.AllReduce(message.Open());
    }

    private void Run(Action exchange, bool isLast = false)
    {
        if (_failure is not null)
            return;

#pragma warning disable CA1031 // Whatever it is: it belongs to the thread that waits.
        try
        {
            exchange();
        }
        catch (Exception failure)
        {
            _failure = ExceptionDispatchInfo.Capture(failure);
        }
#pragma warning restore CA1031

        if (isLast || _failure is not null)
            _done.Set();
    }

    /// <summary>What is known of a tensor beforehand.</summary>
    public readonly record struct Kind(long Length, ScalarType Type, Device Device)
    {
        public long Bytes => Length * Type.ElementSize();
    }

    private readonly record struct Place(Message Message, long Start, long Length);

    private sealed class Message(Kind first) : IDisposable
    {
        private Tensor? _numbers;

        public long Length { get; private set; }

        /// <value>Tensors that have not come.</value>
        public int Missing { get; set; }

        public bool Takes(Kind kind, long most) =>
            (kind.Type, kind.Device.ToString()) == (first.Type, first.Device.ToString()) && Length * first.Type.ElementSize() + kind.Bytes <= most;

        /// <returns>Where it begins.</returns>
        public long Add(long length)
        {
            (var start, Length, Missing) = (Length, Length + length, Missing + 1);
            return start;
        }

        public Tensor Open() => _numbers ??= empty(Length, first.Type, first.Device).DetachFromDisposeScope();

        public void Dispose() => _numbers?.Dispose();
    }
}
