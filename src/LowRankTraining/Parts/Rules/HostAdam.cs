using System.Buffers;
using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

/// <summary>Adam's moments in the processor's own memory, advanced in one pass over gradient, moments and result.</summary>
/// <remarks>It goes piece by piece, so that what was decoded is encoded while it is in the cache.</remarks>
internal sealed class HostAdam
{
    /// <summary>Numbers of a piece: six of them lie in 48 KB.</summary>
    private const int Piece = 2048;

    private readonly HostMoment _mean, _square;

    private HostAdam(HostMoment mean, HostMoment square) => (_mean, _square) = (mean, square);

    /// <summary>The moments of a gradient, where they and it lie in the processor's memory and can be worked on in pieces; else null.</summary>
    public static HostAdam? TryOpen(MomentSlot mean, MomentSlot square, Tensor gradient, StateBag state)
    {
        if (!gradient.IsOnHost())
            return null;

        var kind = new TensorKind(gradient);
        return mean.OnHost(state, kind) is { } first && square.OnHost(state, kind) is { } second && first.Block == second.Block ? new(first, second) : null;
    }

    /// <summary>The direction of a step, in the gradient's shape; owned by the current dispose scope.</summary>
    public Tensor Advance(Tensor gradient, SpanAdam numbers)
    {
        var direction = empty_like(gradient);
        ForPieces(gradient, (start, g, m, v, _) => numbers.Advance(g, m, v, direction.Floats().Slice(start, g.Length)));
        return direction;
    }

    /// <summary>accumulator += factor · direction.</summary>
    public void AddUpdate(Tensor gradient, Tensor accumulator, SpanAdam numbers, float factor) =>
        ForPieces(gradient, (start, g, m, v, room) =>
        {
            numbers.Advance(g, m, v, room);
            SpanScaling.Add(accumulator.Floats().Slice(start, g.Length), room, factor);
        });

    private void ForPieces(Tensor gradient, Work work)
    {
        var piece = Math.Max(1, Piece / _mean.Block) * _mean.Block;
        HostMemory.ForRanges((int)gradient.numel(), piece, Math.Min(_mean.WorthSharing, _square.WorthSharing), (from, count) =>
        {
            var rented = ArrayPool<float>.Shared.Rent(3 * piece);
            for (var start = from; start < from + count; start += piece)
            {
                var length = Math.Min(piece, from + count - start);
                var room = rented.AsSpan(0, 3 * length);
                var mean = _mean.Open(start, room[..length]);
                var square = _square.Open(start, room[length..(2 * length)]);

                work(start, gradient.Floats().Slice(start, length), mean, square, room[(2 * length)..]);
                _mean.Close(start, mean);
                _square.Close(start, square);
            }

            ArrayPool<float>.Shared.Return(rented);
        });
    }

    private delegate void Work(int start, ReadOnlySpan<float> gradient, Span<float> mean, Span<float> square, Span<float> room);
}
