using MPI;
using TorchSharp;
using static TorchSharp.torch;
using Environment = MPI.Environment;

namespace LowRankTraining.Mpi;

/// <summary>The processes by a communicator of its own, for a thread that exchanges while another one computes.</summary>
/// <remarks>MPI's own waiting takes a core, which is then missing for what is computed: here messages are looked after now and then, and the thread sleeps in
/// between (<see cref="Nap"/>).</remarks>
internal sealed class BackgroundChannel : ICollective, IDisposable
{
    private const int Tag = 1;

    private readonly MpiWorld _world;
    private int _communicator;

    private BackgroundChannel(MpiWorld world)
    {
        _world = world;
        HostMemory.Require(Unsafe.MPI_Comm_dup(Unsafe.MPI_COMM_WORLD, out _communicator));
    }

    /// <summary>Opens a channel, on all processes; null where the MPI library takes calls of one thread at a time.</summary>
    public static BackgroundChannel? Open(MpiWorld world) => Environment.Threading == Threading.Multiple ? new(world) : null;

    /// <inheritdoc/>
    public int Rank => _world.Rank;

    /// <inheritdoc/>
    public int Size => _world.Size;

    /// <inheritdoc/>
    public int Lanes => _world.Lanes;

    /// <inheritdoc/>
    public bool ExchangesInPairs => true;

    /// <inheritdoc/>
    public void Exchange(Tensor sent, Tensor received, int with) =>
        HostMemory.Use(sent, received, (from, bytes, to, count) => Swap(from, bytes, with, to, count, with));

    /// <inheritdoc/>
    public void AllToAll(Tensor sent, Tensor received) => HostMemory.Use(sent, received, (from, bytes, to, _) => Rotate((next, last) =>
    {
        var part = bytes / Size;
        Swap(from + next * part, part, next, to + last * part, part, last);
    }));

    /// <inheritdoc/>
    public void AllGather(Tensor part, Tensor all) => HostMemory.Use(part, all, (from, bytes, to, _) =>
        Rotate((next, last) => Swap(from, bytes, next, to + last * bytes, bytes, last)));

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int from)
    {
        using var scope = NewDisposeScope();
        var all = empty(tensor.numel() * Size, tensor.dtype, tensor.device);
        AllGather(tensor, all);
        tensor.copy_(all.narrow(0, from * tensor.numel(), tensor.numel()));
    }

    /// <summary>Frees the communicator.</summary>
    public void Dispose() => _ = Unsafe.MPI_Comm_free(ref _communicator);

    /// <summary>Goes round: at every turn each process sends to another one, and none receives from two.</summary>
    private void Rotate(Action<int, int> swap)
    {
        for (var distance = 0; distance < Size; distance++)
            swap((Rank + distance) % Size, (Rank - distance + Size) % Size);
    }

    /// <summary>Sends to one process and receives from another.</summary>
    private void Swap(nint from, int bytes, int next, nint to, int count, int last)
    {
        HostMemory.Require(Unsafe.MPI_Irecv(to, count, Unsafe.MPI_BYTE, last, Tag, _communicator, out var receiving));
        HostMemory.Require(Unsafe.MPI_Isend(from, bytes, Unsafe.MPI_BYTE, next, Tag, _communicator, out var sending));
        Await(ref sending);
        Await(ref receiving);
    }

    /// <summary>Waits, and sleeps most of the time.</summary>
    private static void Await(ref int request)
    {
        var nap = new Nap();
        HostMemory.Require(Unsafe.MPI_Test(ref request, out var isDone, out _));
        for (; isDone == 0; HostMemory.Require(Unsafe.MPI_Test(ref request, out isDone, out _)))
            nap.Take();
    }
}
