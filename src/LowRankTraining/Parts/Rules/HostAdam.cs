using System.Buffers;

namespace LowRankTraining.Parts;

/// <summary>Adam's moments in the processor's own memory, advanced in one pass over gradient, moments and result.</summary>
/// <remarks>It goes piece by piece, so that what was decoded is encoded while it is in the cache.</remarks>
internal readonly struct HostAdam
{
    /// <summary>Numbers of a piece: seven of them lie in 56 KB.</summary>
    private const int Piece = 2048;

    private readonly HostMoment _mean, _square;

    private HostAdam(HostMoment mean, HostMoment square) => (_mean, _square) = (mean, square);

    /// <summary>The moments of a gradient that lies in the processor's memory, where they do too and can be worked on in pieces; else null.</summary>
    public static HostAdam? TryOpen(MomentSlot mean, MomentSlot square, Tensor gradient, StateBag state)
    {
        var kind = new TensorKind(gradient);
        return mean.OnHost(state, kind) is { } first && square.OnHost(state, kind) is { } second && first.Block == second.Block ? new(first, second) : null;
    }

    /// <summary>Writes the direction of a step, over the gradient where that is the same tensor.</summary>
    public void Advance(in HostNumbers gradient, Tensor direction, SpanAdam numbers) => Advance(gradient, direction, numbers, factor: null);

    /// <summary>accumulator += factor · direction.</summary>
    public void AddUpdate(in HostNumbers gradient, Tensor accumulator, SpanAdam numbers, float factor) => Advance(gradient, accumulator, numbers, factor);

    private void Advance(in HostNumbers gradient, Tensor target, SpanAdam numbers, float? factor)
    {
        var worthSharing = Math.Min(_mean.WorthSharing, _square.WorthSharing);
        if (gradient.Length < worthSharing)
            AdvanceRange(gradient, target, numbers, factor, 0, gradient.Length);
        else
            Share(gradient.Tensor, target, numbers, factor, gradient.Length, worthSharing);
    }

    private void Share(Tensor gradient, Tensor target, SpanAdam numbers, float? factor, int length, int worthSharing)
    {
        var all = this;
        HostMemory.ForRanges(length, PieceLength, worthSharing, (from, count) =>
        {
            HostNumbers.TryOpen(gradient, out var opened);
            all.AdvanceRange(opened, target, numbers, factor, from, count);
        });
    }

    private int PieceLength => Math.Max(1, Piece / _mean.Block) * _mean.Block;

    private void AdvanceRange(in HostNumbers gradient, Tensor target, in SpanAdam numbers, float? factor, int from, int count)
    {
        var piece = PieceLength;
        var rented = ArrayPool<float>.Shared.Rent(4 * Math.Min(piece, count));
        var means = _mean.Open();
        var squares = _square.Open();
        var targets = gradient.FloatsOf(target);
        for (var start = from; start < from + count; start += piece)
        {
            var length = Math.Min(piece, from + count - start);
            var room = rented.AsSpan(0, 4 * length);
            var mean = means.Open(start, room[..length]);
            var square = squares.Open(start, room[length..(2 * length)]);

            var result = targets.Slice(start, length);
            var direction = factor is null ? result : room[(2 * length)..(3 * length)];
            numbers.Advance(gradient.Piece(start, room[(3 * length)..]), mean, square, direction);
            if (factor is { } share)
                SpanScaling.Add(result, direction, share);

            means.Close(start, mean);
            squares.Close(start, square);
        }

        ArrayPool<float>.Shared.Return(rented);
    }
}
