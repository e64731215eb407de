using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

/// <summary>A moment in the processor's own memory, of which a piece at a time is opened, changed and closed: it never stands decoded as a whole.</summary>
internal abstract class HostMoment
{
    /// <value>A piece starts at a multiple of this.</value>
    public abstract int Block { get; }

    /// <value>From how many numbers on it pays to work with several threads.</value>
    public abstract int WorthSharing { get; }

    /// <summary>The numbers of a piece.</summary>
    /// <param name="start">The first.</param>
    /// <param name="room">Where they may be put; its length is the piece's.</param>
    /// <returns>They themselves, or <paramref name="room"/>.</returns>
    public abstract Span<float> Open(int start, Span<float> room);

    /// <summary>Stores a piece that was opened and changed.</summary>
    public abstract void Close(int start, ReadOnlySpan<float> piece);
}

/// <summary>A moment that is stored as float32.</summary>
internal sealed class HostFloats(Tensor stored) : HostMoment
{
    public override int Block => 1;

    public override int WorthSharing => 1 << 19;

    public override Span<float> Open(int start, Span<float> room) => stored.Floats().Slice(start, room.Length);

    public override void Close(int start, ReadOnlySpan<float> piece) { }
}

/// <summary>A moment that is stored as codes, with a scale for each block.</summary>
internal sealed class HostCodes(Tensor codes, Tensor scales, CodeTable table, int block) : HostMoment
{
    public override int Block => block;

    public override int WorthSharing => 1 << 15;

    public override Span<float> Open(int start, Span<float> room)
    {
        table.OnSpans.Decode(CodesFrom(start), ScalesOf(start, room.Length), block, room);
        return room;
    }

    public override void Close(int start, ReadOnlySpan<float> piece) => table.OnSpans.Encode(piece, block, CodesFrom(start), ScalesOf(start, piece.Length));

    private Span<byte> CodesFrom(int start) => codes.bytes[(int)PackedCodes.Bytes(start, table.Bits)..];

    private Span<float> ScalesOf(int start, int count) => scales.Floats().Slice(start / block, (count + block - 1) / block);
}
