namespace LowRankTraining;

/// <summary>Tensors of one dtype, each of which belongs to one rank: what all have of them is averaged there, or what is there goes to all.</summary>
/// <remarks>Of P ranks the k-th has the k-th of P equal parts of each message, filled up where it owns less than the others. So little is lost only where all
/// own about as much.</remarks>
internal sealed class OwnedTensors(ICollective world)
{
    private readonly List<Piece>[] _owned = [.. Enumerable.Range(0, world.Size).Select(_ => new List<Piece>())];

    private Device? _device;
    private ScalarType _type;

    /// <summary>Takes a tensor in.</summary>
    /// <param name="owner">The rank that owns it.</param>
    /// <param name="here">What this rank has of it, of the dtype in which it travels; null for zeros.</param>
    /// <param name="target">Where the average goes, on the rank that owns it.</param>
    /// <param name="like">Gives length, dtype and device.</param>
    public void Add(int owner, Tensor? here, Tensor? target, Tensor like)
    {
        _owned[owner].Add(new(here, target, like.numel()));
        (_device, _type) = (like.device, here?.dtype ?? like.dtype);
    }

    /// <summary>Averages every tensor, on its owner.</summary>
    /// <param name="share">What this rank's numbers are multiplied by. With 0 they do not count, whatever they are.</param>
    public void Reduce(double share) => ForMessages((first, count) =>
    {
        var (sent, sum) = (zeros(count * world.Size, _type, _device), empty(count, _type, _device));
        for (var owner = 0; owner < world.Size; owner++)
            foreach (var (piece, from, at, length) in Within(owner, first, count))
                if (piece.Here is not null)
                    sent.narrow(0, owner * count + at, length).copy_(piece.Here.reshape(-1).narrow(0, from, length));

        GradientBuckets.Weigh(sent, share);
        world.ReduceScatter(sent, sum);
        foreach (var (piece, from, at, length) in Within(world.Rank, first, count))
            GradientBuckets.Put(sum.narrow(0, at, length), piece.Target!, from, length);
    });

    /// <summary>Gives every rank what the owners have.</summary>
    public void Gather() => ForMessages((first, count) =>
    {
        var (mine, all) = (zeros(count, _type, _device), empty(count * world.Size, _type, _device));
        foreach (var (piece, from, at, length) in Within(world.Rank, first, count))
            mine.narrow(0, at, length).copy_(piece.Here!.reshape(-1).narrow(0, from, length));

        world.AllGather(mine, all);
        for (var owner = 0; owner < world.Size; owner++)
            foreach (var (piece, from, at, length) in owner == world.Rank ? [] : Within(owner, first, count))
                GradientBuckets.Put(all.narrow(0, owner * count + at, length), piece.Here!, from, length);
    });

    private void ForMessages(Action<long, long> exchange)
    {
        var longest = _owned.Max(pieces => pieces.Sum(piece => piece.Length));
        var most = Math.Max(1, GradientBuckets.Bytes / sizeof(float) / world.Size);
        for (var first = 0L; first < longest; first += most)
        {
            using var scope = NewDisposeScope();
            exchange(first, Math.Min(most, longest - first));
        }
    }

    /// <summary>Which parts of a rank's tensors, put one behind the other, lie within a message's part.</summary>
    private IEnumerable<(Piece Piece, long From, long At, long Length)> Within(int owner, long first, long count)
    {
        var start = 0L;
        foreach (var piece in _owned[owner])
        {
            var (from, to) = (Math.Max(first, start), Math.Min(first + count, start + piece.Length));
            if (from < to)
                yield return (piece, from - start, from - first, to - from);
            start += piece.Length;
        }
    }

    private readonly record struct Piece(Tensor? Here, Tensor? Target, long Length);
}
