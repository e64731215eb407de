using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>The numbers of a tensor where they lie in the processor's own memory, float32 or bfloat16, to be read as float32.</summary>
/// <remarks>Found once and read often: every question to a tensor is a call of native code. The tensor must outlive it: nothing checks that it does.</remarks>
internal readonly ref struct HostNumbers
{
    private readonly Span<float> _singles;
    private readonly ReadOnlySpan<ushort> _halves;

    private HostNumbers(Tensor tensor, ScalarType dtype)
    {
        Tensor = tensor;
        if (dtype == ScalarType.Float32)
            _singles = MemoryMarshal.Cast<byte, float>(tensor.bytes);
        else
            _halves = MemoryMarshal.Cast<byte, ushort>(tensor.bytes);
    }

    public Tensor Tensor { get; }

    /// <value>How many there are.</value>
    public int Length => Math.Max(_singles.Length, _halves.Length);

    /// <summary>Those of a tensor of float32 or bfloat16 on the CPU, contiguous, of at most 2 GB; nothing of any other.</summary>
    public static bool TryOpen(Tensor tensor, out HostNumbers numbers)
    {
        var dtype = tensor.dtype;
        var isOnHost = SizeOf(dtype) is { } size && tensor.IsHere() && tensor.is_contiguous() && tensor.numel() <= int.MaxValue / size;
        numbers = isOnHost ? new(tensor, dtype) : default;
        return isOnHost;
    }

    /// <summary>Some of them: they themselves, or those of bfloat16 widened.</summary>
    /// <param name="start">The first.</param>
    /// <param name="room">Where they are widened; its length is that of the piece.</param>
    public ReadOnlySpan<float> Piece(int start, Span<float> room)
    {
        if (!_singles.IsEmpty)
            return _singles.Slice(start, room.Length);

        var halves = _halves.Slice(start, room.Length);
        for (var i = 0; i < halves.Length; i++)
            room[i] = BitConverter.Int32BitsToSingle(halves[i] << 16);
        return room;
    }

    /// <summary>The numbers of a float32 tensor on the CPU that is to be written to, which may be this one.</summary>
    public Span<float> FloatsOf(Tensor target) => ReferenceEquals(target, Tensor) && _halves.IsEmpty ? _singles : target.Floats();

    /// <summary>The largest magnitude of some of them.</summary>
    /// <inheritdoc cref="Largest(ReadOnlySpan{float})"/>
    public float Largest(int start, int count) => _halves.IsEmpty
        ? Largest(_singles.Slice(start, count))
        : Largest(_halves.Slice(start, count));

    /// <summary>The largest magnitude; NaN where there is a NaN, 0 where there is nothing.</summary>
    /// <remarks>Magnitudes are in the order of their bits, in which NaN lies above infinity.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Largest(ReadOnlySpan<float> x)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<int>>(x);
        var (first, second, magnitude) = (Vector<int>.Zero, Vector<int>.Zero, new Vector<int>(int.MaxValue));
        var i = 0;
        for (; i + 1 < vectors.Length; i += 2)
        {
            first = Vector.Max(first, vectors[i] & magnitude);
            second = Vector.Max(second, vectors[i + 1] & magnitude);
        }

        if (i < vectors.Length)
            first = Vector.Max(first, vectors[i] & magnitude);

        var (largest, max) = (Vector.Max(first, second), 0);
        for (var lane = 0; lane < Vector<int>.Count; lane++)
            max = Math.Max(max, largest[lane]);
        foreach (var rest in x[(vectors.Length * Vector<int>.Count)..])
            max = Math.Max(max, BitConverter.SingleToInt32Bits(rest) & int.MaxValue);
        return BitConverter.Int32BitsToSingle(max);
    }

    /// <summary>The same of numbers in bfloat16, which are the upper halves of a float's bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Largest(ReadOnlySpan<ushort> x)
    {
        var vectors = MemoryMarshal.Cast<ushort, Vector<ushort>>(x);
        var (largest, magnitude, max) = (Vector<ushort>.Zero, new Vector<ushort>((ushort)short.MaxValue), 0);
        foreach (var vector in vectors)
            largest = Vector.Max(largest, vector & magnitude);
        for (var lane = 0; lane < Vector<ushort>.Count; lane++)
            max = Math.Max(max, largest[lane]);
        foreach (var rest in x[(vectors.Length * Vector<ushort>.Count)..])
            max = Math.Max(max, rest & short.MaxValue);
        return BitConverter.Int32BitsToSingle(max << 16);
    }

    private static int? SizeOf(ScalarType dtype) => dtype switch
    {
        ScalarType.Float32 => sizeof(float),
        ScalarType.BFloat16 => sizeof(ushort),
        _ => null,
    };
}
