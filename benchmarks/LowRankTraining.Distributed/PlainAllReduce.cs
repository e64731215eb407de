using System.Runtime.InteropServices;
using MPI;
using static TorchSharp.torch;

namespace LowRankTraining.Distributed;

/// <summary>The library's own sum, in whatever order it likes.</summary>
internal static class PlainAllReduce
{
    /// <summary>Adds up over the processes.</summary>
    /// <param name="numbers">float32, contiguous, on the CPU.</param>
    /// <param name="sum">Of the same shape.</param>
    public static unsafe void Sum(Tensor numbers, Tensor sum)
    {
        fixed (byte* from = &MemoryMarshal.GetReference(numbers.bytes), to = &MemoryMarshal.GetReference(sum.bytes))
            _ = Unsafe.MPI_Allreduce((nint)from, (nint)to, (int)numbers.numel(), Unsafe.MPI_FLOAT, Unsafe.MPI_SUM, Unsafe.MPI_COMM_WORLD);
    }
}
