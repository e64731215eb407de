namespace LowRankTraining;

/// <summary>Averages many tensors over the ranks, in few messages: they are packed one behind the other, those of one dtype together.</summary>
/// <remarks>Where a bucket ends has no influence on the numbers, since each is added up by itself.</remarks>
/// <param name="world">The ranks.</param>
/// <param name="share">What this process's numbers are multiplied by: its share of the batch. With 0 they do not count, whatever they are.</param>
internal sealed class GradientBuckets(ICollective world, double share) : IDisposable
{
    /// <summary>Long enough for the network, short enough to be kept beside everything else.</summary>
    public const long Bytes = 16 << 20;

    private readonly Dictionary<(ScalarType, DeviceType, int), Bucket> _buckets = [];

    /// <summary>Takes a tensor in.</summary>
    /// <param name="addend">What this process has.</param>
    /// <param name="target">Where the average goes, at the latest when <see cref="Flush"/> returns: the addend, or a tensor of its shape.</param>
    public void Add(Tensor addend, Tensor target)
    {
        var key = (addend.dtype, addend.device_type, addend.device_index);
        if (!_buckets.TryGetValue(key, out var bucket))
            _buckets[key] = bucket = new Bucket(world, share, addend);
        bucket.Add(addend, target);
    }

    /// <summary>Sends what is left.</summary>
    public void Flush()
    {
        foreach (var bucket in _buckets.Values)
            bucket.Send();
    }

    /// <summary>Frees the buckets.</summary>
    public void Dispose()
    {
        foreach (var bucket in _buckets.Values)
            bucket.Dispose();
    }

    /// <summary>Multiplies by a share; with 0 whatever the numbers are.</summary>
    public static void Weigh(Tensor numbers, double share)
    {
        if (share == 0)
            numbers.zero_();
        else if (share != 1)
            numbers.mul_(share);
    }

    /// <summary>Numbers go where they belong in row order, whatever the layout of the target.</summary>
    public static void Put(Tensor numbers, Tensor target, long first, long count)
    {
        if (target.is_contiguous())
        {
            target.view(-1).narrow(0, first, count).copy_(numbers);
            return;
        }

        var packed = target.contiguous();
        packed.view(-1).narrow(0, first, count).copy_(numbers);
        target.copy_(packed);
    }

    private sealed class Bucket : IDisposable
    {
        private readonly ICollective _world;
        private readonly double _share;
        private readonly Tensor _numbers;
        private readonly List<(long Start, Tensor Target, long First, long Count)> _pieces = [];
        private long _filled;

        public Bucket(ICollective world, double share, Tensor like)
        {
            (_world, _share) = (world, share);
            _numbers = empty(Math.Max(1, Bytes / like.ElementSize), like.dtype, like.device).DetachFromDisposeScope();
        }

        public void Add(Tensor addend, Tensor target)
        {
            using var scope = NewDisposeScope();
            var (flat, length) = (addend.reshape(-1), addend.numel());
            for (var first = 0L; first < length;)
            {
                var count = Math.Min(length - first, _numbers.numel() - _filled);
                _numbers.narrow(0, _filled, count).copy_(flat.narrow(0, first, count));
                _pieces.Add((_filled, target, first, count));
                (_filled, first) = (_filled + count, first + count);
                if (_filled == _numbers.numel())
                    Send();
            }
        }

        public void Send()
        {
            if (_filled == 0)
                return;

            using var scope = NewDisposeScope();
            var sum = _numbers.narrow(0, 0, _filled);
            Weigh(sum, _share);
            _world.AllReduce(sum);
            foreach (var (start, target, first, count) in _pieces)
                Put(sum.narrow(0, start, count), target, first, count);
            _pieces.Clear();
            _filled = 0;
        }

        public void Dispose() => _numbers.Dispose();
    }
}
