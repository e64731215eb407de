using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

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

    /// <summary>Writes the direction of a step into the target, which may be the gradient; or with a factor, target += factor · direction.</summary>
    public void Advance(in HostNumbers gradient, Tensor target, AdamNumbers numbers, float? factor = null)
    {
        var worthSharing = Math.Min(_mean.WorthSharing, _square.WorthSharing);
        if (gradient.Length < worthSharing)
            AdvanceRange(gradient, target, numbers, factor, 0, gradient.Length);
        else
            Share(gradient.Tensor, target, numbers, factor, gradient.Length, worthSharing);
    }

    private void Share(Tensor gradient, Tensor target, AdamNumbers numbers, float? factor, int length, int worthSharing)
    {
        var all = this;
        HostMemory.ForRanges(length, PieceLength, worthSharing, (from, count) =>
        {
            HostNumbers.TryOpen(gradient, out var opened);
            all.AdvanceRange(opened, target, numbers, factor, from, count);
        });
    }

    private int PieceLength => Math.Max(1, Piece / _mean.Block) * _mean.Block;

    private void AdvanceRange(in HostNumbers gradient, Tensor target, in AdamNumbers numbers, float? factor, int from, int count)
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

/// <summary>What a step of Adam computes with.</summary>
/// <param name="Beta1">β₁.</param>
/// <param name="Beta2">β₂.</param>
/// <param name="Epsilon">ε′.</param>
/// <param name="Correction">c.</param>
/// <param name="Longest">The largest magnitude of an entry of N.</param>
internal readonly record struct AdamNumbers(double Beta1, double Beta2, double Epsilon, double Correction, double Longest)
{
    /// <summary>N = M / (√V + ε′).</summary>
    public Tensor Direction(Tensor mean, Tensor root) => double.IsFinite(Longest) ? (mean / root).clamp_(-Longest, Longest) : mean / root;

    /// <summary>M ← β₁M + (1 − β₁)G; V ← β₂V + (1 − β₂)G²; N ← M / (√V + ε′): one pass in place of eight. Entries of G beyond what can be squared are cut to
    /// that.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Advance(ReadOnlySpan<float> gradient, Span<float> mean, Span<float> square, Span<float> direction)
    {
        var (b1, s1, b2, s2, e) = ((float)Beta1, (float)(1 - Beta1), (float)Beta2, (float)(1 - Beta2), (float)Epsilon);
        const float most = Precision.LargestSquaredSingle;
        var far = (float)Longest;

        var g = MemoryMarshal.Cast<float, Vector<float>>(gradient);
        var m = Vectors(mean)[..g.Length];
        var v = Vectors(square)[..g.Length];
        var n = Vectors(direction)[..g.Length];
        var (beta1, share1, beta2, share2, epsilon) =
            (new Vector<float>(b1), new Vector<float>(s1), new Vector<float>(b2), new Vector<float>(s2), new Vector<float>(e));
        var (largest, longest) = (new Vector<float>(most), new Vector<float>(far));
        for (var i = 0; i < g.Length; i++)
        {
            var gi = Vector.Min(Vector.Max(g[i], -largest), largest);
            var mi = m[i] * beta1 + gi * share1;
            var vi = v[i] * beta2 + gi * gi * share2;
            (m[i], v[i], n[i]) = (mi, vi, Vector.Min(Vector.Max(mi / (Vector.SquareRoot(vi) + epsilon), -longest), longest));
        }

        for (var i = g.Length * Vector<float>.Count; i < gradient.Length; i++)
        {
            var gi = Math.Clamp(gradient[i], -most, most);
            mean[i] = mean[i] * b1 + gi * s1;
            square[i] = square[i] * b2 + gi * gi * s2;
            direction[i] = Math.Clamp(mean[i] / (MathF.Sqrt(square[i]) + e), -far, far);
        }
    }

    private static Span<Vector<float>> Vectors(Span<float> x) => MemoryMarshal.Cast<float, Vector<float>>(x);
}

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
