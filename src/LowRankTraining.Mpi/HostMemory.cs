using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using Environment = MPI.Environment;

namespace LowRankTraining.Mpi;

/// <summary>Lets MPI read and write the memory of tensors: those on a GPU by way of the host.</summary>
internal static class HostMemory
{
    /// <summary>Reads some bytes and writes others.</summary>
    public delegate void Call(nint from, int bytes, nint to, int count);

    /// <summary>Has one tensor read and another one written.</summary>
    public static void Use(Tensor from, Tensor to, Call call)
    {
        using var scope = NewDisposeScope();
        var (sent, received) = (from.cpu(), to.device_type == DeviceType.CPU ? to : empty_like(to, device: CPU));
        Pin(sent, (source, bytes) => Pin(received, (target, count) => call(source, bytes, target, count)));
        if (!ReferenceEquals(received, to))
            to.copy_(received);
    }

    /// <summary>Native memory does not move: it lasts as long as the tensor.</summary>
    public static unsafe void Pin(Tensor host, Action<nint, int> use)
    {
        var bytes = host.bytes;
        fixed (byte* address = &MemoryMarshal.GetReference(bytes))
            use((nint)address, bytes.Length);
    }

    /// <exception cref="Exception">MPI's code says that a call failed.</exception>
    public static void Require(int code)
    {
        if (code != 0)
            throw Environment.TranslateErrorIntoException(code);
    }
}
