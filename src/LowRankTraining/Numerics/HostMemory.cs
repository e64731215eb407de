using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Tensors in the processor's own memory, for what is one pass here and dozens of operations on tensors.</summary>
internal static class HostMemory
{
    /// <summary>A thread that has been held up leaves the rest to the others.</summary>
    private const int RangesOfThread = 4;

    /// <value>Whether passes over this memory are taken where there are any. Without them a tensor on the CPU takes the operations that one on a GPU takes:
    /// so tests reach those on a machine that has none.</value>
    internal static bool IsUsed { get; set; } = true;

    /// <summary>Whether the numbers lie here: reading one costs nothing, and a pass over all of them can stand for many operations.</summary>
    public static bool IsHere(this Tensor tensor) => tensor.device_type.IsHere();

    /// <inheritdoc cref="IsHere(Tensor)"/>
    public static bool IsHere(this DeviceType device) => device == DeviceType.CPU && IsUsed;

    /// <summary>The numbers themselves, not a copy. The tensor must outlive the span: nothing checks that it does.</summary>
    /// <param name="tensor">float32, contiguous, of at most 2 GB.</param>
    public static Span<float> Floats(this Tensor tensor) => tensor.IsSingle()
        ? MemoryMarshal.Cast<byte, float>(tensor.bytes)
        : throw new ArgumentException($"These numbers are {tensor.dtype} and must be float32.", nameof(tensor));

    /// <summary>The numbers themselves where a span can hold them as they lie, see <see cref="IsOnHost"/>; nothing where none can.</summary>
    public static bool TryFloats(this Tensor tensor, out Span<float> numbers)
    {
        var isOnHost = tensor.IsOnHost();
        numbers = isOnHost ? MemoryMarshal.Cast<byte, float>(tensor.bytes) : default;
        return isOnHost;
    }

    /// <summary>The numbers themselves of a contiguous tensor of int64. The tensor must outlive the span: nothing checks that it does.</summary>
    public static ReadOnlySpan<long> Longs(this Tensor tensor) => MemoryMarshal.Cast<byte, long>(tensor.bytes);

    /// <summary>Whether the numbers are float32, so that spans can hold them as they are.</summary>
    public static bool IsSingle(this Tensor tensor) => tensor.dtype == ScalarType.Float32;

    /// <summary>Whether a span can hold all numbers as they lie: float32, on the CPU, contiguous, at most 2 GB.</summary>
    public static bool IsOnHost(this Tensor tensor) =>
        tensor.IsSingle() && tensor.IsHere() && tensor.is_contiguous() && tensor.numel() <= int.MaxValue / sizeof(float);

    /// <summary>The tensor itself where it is contiguous, else a contiguous copy, a temporary of the current dispose scope.</summary>
    public static Tensor Packed(this Tensor tensor) => tensor.is_contiguous() ? tensor : tensor.contiguous();

    /// <summary>Takes over what has been changed in <see cref="Packed"/>, where that is a copy.</summary>
    public static void PutBack(this Tensor tensor, Tensor packed)
    {
        if (!ReferenceEquals(packed, tensor))
            tensor.copy_(packed);
    }

    /// <summary>The same with the strides of row order too: a single row or column is contiguous whatever its strides are, and products round by
    /// them.</summary>
    public static Tensor InRowOrder(this Tensor tensor)
    {
        var packed = tensor.Packed();
        var isRowOrder = packed.dim() != 2 || (packed.stride(0), packed.stride(1)) == (Math.Max(1, packed.size(1)), 1);
        return isRowOrder ? packed : packed.reshape(-1).reshape(packed.shape);
    }

    /// <summary>Works on ranges that together are all of 0 … <paramref name="length"/> − 1, several at once where there are enough for that.</summary>
    /// <param name="length">How many numbers there are.</param>
    /// <param name="multiple">Every range but the last has a multiple of this length.</param>
    /// <param name="worthSharing">From how many numbers on other threads take a part.</param>
    /// <param name="work">What is done to a range, given its start and its length. What comes out must not depend on where ranges end.</param>
    public static void ForRanges(int length, int multiple, int worthSharing, Action<int, int> work)
    {
        var threads = length < worthSharing ? 1 : get_num_threads();
        if (threads == 1)
        {
            work(0, length);
            return;
        }

        var range = (int)Math.Min(length, ((length - 1L) / (RangesOfThread * threads) / multiple + 1) * multiple);
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads };
        Parallel.For(0, (length - 1) / range + 1, options, at => work(at * range, Math.Min(range, length - at * range)));
    }

    /// <summary>Has the numbers of a tensor of any dtype written, as float32.</summary>
    /// <param name="target">On the CPU, contiguous.</param>
    /// <param name="write">Writes all of them.</param>
    public static void WriteFloats(this Tensor target, Writer write)
    {
        if (target.IsSingle())
        {
            write(target.Floats());
            return;
        }

        using var single = empty(target.shape, ScalarType.Float32, CPU);
        write(single.Floats());
        target.copy_(single);
    }

    public delegate void Writer(Span<float> numbers);
}
