using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Numerics;

/// <summary>Tensors in the processor's own memory, for what is one pass here and dozens of operations on tensors.</summary>
internal static class HostMemory
{
    /// <summary>The numbers themselves, not a copy. The tensor must outlive the span: nothing checks that it does.</summary>
    /// <param name="tensor">float32, contiguous, of at most 2 GB.</param>
    public static Span<float> Floats(this Tensor tensor) => tensor.IsSingle()
        ? MemoryMarshal.Cast<byte, float>(tensor.bytes)
        : throw new ArgumentException($"These numbers are {tensor.dtype} and must be float32.", nameof(tensor));

    /// <summary>Whether the numbers are float32, so that spans can hold them as they are.</summary>
    public static bool IsSingle(this Tensor tensor) => tensor.dtype == ScalarType.Float32;

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

        using var single = empty(target.shape, ScalarType.Float32);
        write(single.Floats());
        target.copy_(single);
    }

    /// <summary>Writes numbers.</summary>
    public delegate void Writer(Span<float> numbers);
}
