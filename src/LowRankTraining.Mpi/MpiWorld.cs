using MPI;
using TorchSharp;
using static TorchSharp.torch;
using Environment = MPI.Environment;

namespace LowRankTraining.Mpi;

/// <summary>The processes that <c>mpiexec</c> has started, which train one model together.</summary>
/// <remarks>
/// <code>
/// using var world = MpiWorld.Join(ref args);
/// using var optimizer = new GaLore { Rank = 128 }.Attach(model).CreateOptimizer(lr: 0.01, world);
/// </code>
/// <para>On Windows over MS-MPI; on Linux over any library of the MPICH ABI. Every process runs the same program, each on its part of every batch.</para>
/// <para>Tensors on a GPU travel by way of host memory.</para>
/// <para>When a process ends by an exception, with an exit code other than 0 or by a signal, all others are ended within seconds, and the reason is written to
/// the standard error.</para>
/// <para>All methods are to be called from one thread at a time.</para>
/// </remarks>
public sealed class MpiWorld : ICollective, IDisposable
{
    private const int PairTag = 1;

    private readonly Environment? _environment;
    private readonly Departure? _departure;
    private readonly BackgroundChannel? _background;

    private MpiWorld(Environment? environment, int? lanes)
    {
        _environment = environment;
        if (environment is not null)
            (Rank, Size) = (Communicator.world.Rank, Communicator.world.Size);
        else
            Size = 1;

        Lanes = lanes ?? Size;
        if (Lanes < 1 || Lanes % Size != 0)
            throw new ArgumentException($"{lanes} lanes cannot be divided among {Size} processes: take a multiple of {Size}.", nameof(lanes));
        if (Size > 1)
        {
            _departure = new Departure(Rank, Size);
            _background = BackgroundChannel.Open(this);
        }
    }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Size { get; } = 1;

    /// <inheritdoc/>
    public int Lanes { get; }

    /// <inheritdoc/>
    public ICollective? Background => _background;

    /// <value>Whether this process is the one that speaks for all: shows progress, writes reports.</value>
    public bool IsFirst => Rank == 0;

    /// <value>How many of the processes run on this machine, as far as the launcher tells; else all of them.</value>
    public int LocalSize => Launcher.Number("MPI_LOCALNRANKS") ?? Size;

    /// <value>This process among those on this machine, from 0.</value>
    public int LocalRank => Launcher.Number("MPI_LOCALRANKID") ?? Rank;

    /// <value>What a user should know, or null: that there is one process only, and how to start more; or that the MPI library does not let two
    /// threads exchange.</value>
    public string? Note =>
        _environment is null ? "One process trains alone. Start it with mpiexec -n 4 (on Linux mpiexec.mpich -n 4) to train with four."
        : Size > 1 && _background is null ? "The MPI library takes calls of one thread at a time: nothing is sent before the step."
        : null;

    /// <summary>Joins the processes that were started together with this one. A process that was started without <c>mpiexec</c> is alone, and needs no
    /// MPI library.</summary>
    /// <param name="args">Arguments of the program; those for MPI are taken out.</param>
    /// <param name="lanes">L of <see cref="ICollective.Lanes"/>, a multiple of the number of processes; null for one each.</param>
    /// <returns>The processes. Dispose it when training has ended, on all of them.</returns>
    /// <exception cref="ArgumentException"><paramref name="lanes"/> cannot be divided among the processes.</exception>
    /// <exception cref="DllNotFoundException">No MPI library is installed; with what to install.</exception>
    /// <exception cref="NotSupportedException">The launcher was that of Open MPI; or launcher and library do not know each other, so that every process would
    /// train alone.</exception>
    public static MpiWorld Join(ref string[] args, int? lanes = null)
    {
        Launcher.RefuseOpenMpi();
        if (!Launcher.IsMpi)
            return new(null, lanes);

        MpiLibrary.Require();
        var environment = new Environment(ref args, Threading.Multiple);
        Launcher.RefuseStrangers(Communicator.world.Size, environment);
        return new(environment, lanes);
    }

    /// <inheritdoc/>
    public void AllToAll(Tensor sent, Tensor received)
    {
        RequireMessage(sent, received, sent.numel());
        if (Size == 1)
            received.copy_(sent);
        else
            HostMemory.Use(sent, received, (from, bytes, to, _) => HostMemory.Require(
                Unsafe.MPI_Alltoall(from, bytes / Size, Unsafe.MPI_BYTE, to, bytes / Size, Unsafe.MPI_BYTE, Unsafe.MPI_COMM_WORLD)));
    }

    /// <inheritdoc/>
    public void AllGather(Tensor part, Tensor all)
    {
        RequireMessage(part, all, part.numel() * Size);
        if (Size == 1)
            all.copy_(part);
        else
            HostMemory.Use(part, all, static (from, bytes, to, _) => HostMemory.Require(
                Unsafe.MPI_Allgather(from, bytes, Unsafe.MPI_BYTE, to, bytes, Unsafe.MPI_BYTE, Unsafe.MPI_COMM_WORLD)));
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int from)
    {
        RequireRank(from, nameof(from));
        RequireMessage(tensor, tensor, tensor.numel());
        if (Size == 1)
            return;

        using var host = tensor.cpu();
        HostMemory.Pin(host, (address, bytes) => HostMemory.Require(Unsafe.MPI_Bcast(address, bytes, Unsafe.MPI_BYTE, from, Unsafe.MPI_COMM_WORLD)));
        if (tensor.device_type != DeviceType.CPU)
            tensor.copy_(host);
    }

    /// <inheritdoc/>
    public bool ExchangesInPairs => true;

    /// <inheritdoc/>
    public void Exchange(Tensor sent, Tensor received, int with)
    {
        RequireRank(with, nameof(with));
        RequireMessage(sent, received, received.numel());
        HostMemory.Use(sent, received, (from, bytes, to, count) => HostMemory.Require(Unsafe.MPI_Sendrecv(
            from, bytes, Unsafe.MPI_BYTE, with, PairTag, to, count, Unsafe.MPI_BYTE, with, PairTag, Unsafe.MPI_COMM_WORLD, out _)));
    }

    /// <summary>Leaves the others. Waits for them; when an exception is on its way through this process, it ends them.</summary>
    public void Dispose()
    {
        _departure?.Leave();
        _background?.Dispose();
        _environment?.Dispose();
    }

    private void RequireRank(int rank, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rank, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, Size, name);
    }

    private static void RequireMessage(Tensor sent, Tensor received, long length)
    {
        ArgumentNullException.ThrowIfNull(sent);
        ArgumentNullException.ThrowIfNull(received);
        if (!sent.is_contiguous() || !received.is_contiguous() || sent.dtype != received.dtype || received.numel() != length)
            throw new ArgumentException(
                $"{sent.numel()} numbers of {sent.dtype} cannot be received as {received.numel()} of {received.dtype}: "
                + $"both must be contiguous, of one dtype, and {length} are received.", nameof(received));
        if (length * sent.ElementSize > int.MaxValue)
            throw new ArgumentException($"A message has {length * sent.ElementSize} bytes, and MPI takes 2 GB at most: divide it.", nameof(sent));
    }
}
