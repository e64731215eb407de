using System.Runtime.InteropServices;

namespace LowRankTraining.Parts;

/// <summary>A moment in the processor's own memory, of which a piece at a time is opened, changed and closed: it never stands decoded as a whole.</summary>
internal readonly struct HostMoment
{
    private readonly Tensor _stored;
    private readonly Tensor? _scales;
    private readonly CodeTable? _table;

    /// <summary>One that is stored as it is, in float32.</summary>
    public HostMoment(Tensor stored) => (_stored, Block) = (stored, 1);

    /// <summary>One that is stored as codes, with a scale in float32 for each block.</summary>
    public HostMoment(Tensor codes, Tensor scales, CodeTable table, int block) => (_stored, _scales, _table, Block) = (codes, scales, table, block);

    /// <value>A piece starts at a multiple of this.</value>
    public int Block { get; }

    /// <value>From how many numbers on it pays to work with several threads.</value>
    public int WorthSharing => _table is null ? 1 << 19 : 1 << 15;

    /// <summary>Finds where it lies.</summary>
    public Pieces Open() => _table is null ? new(Floats(_stored)) : new(_stored.bytes, Floats(_scales!), _table, Block);

    private static Span<float> Floats(Tensor single) => MemoryMarshal.Cast<byte, float>(single.bytes);

    /// <summary>Its pieces.</summary>
    internal readonly ref struct Pieces
    {
        private readonly Span<float> _numbers, _scales;
        private readonly Span<byte> _codes;
        private readonly CodeTable? _table;
        private readonly int _block;

        public Pieces(Span<float> numbers) => _numbers = numbers;

        public Pieces(Span<byte> codes, Span<float> scales, CodeTable table, int block)
        {
            (_table, _block) = (table, block);
            _codes = codes;
            _scales = scales;
        }

        /// <summary>The numbers of a piece.</summary>
        /// <param name="start">The first.</param>
        /// <param name="room">Where they may be put; its length is the piece's.</param>
        /// <returns>They themselves, or <paramref name="room"/>.</returns>
        public Span<float> Open(int start, Span<float> room)
        {
            if (_table is null)
                return _numbers.Slice(start, room.Length);

            _table.OnSpans.Decode(CodesFrom(start), ScalesOf(start, room.Length), _block, room);
            return room;
        }

        /// <summary>Stores a piece that was opened and changed.</summary>
        public void Close(int start, ReadOnlySpan<float> piece) =>
            _table?.OnSpans.Encode(piece, _block, CodesFrom(start), ScalesOf(start, piece.Length));

        private Span<byte> CodesFrom(int start) => _codes[(int)PackedCodes.Bytes(start, _table!.Bits)..];

        private Span<float> ScalesOf(int start, int count) => _scales.Slice(start / _block, (count + _block - 1) / _block);
    }
}
