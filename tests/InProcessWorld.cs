using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>Several ranks in one process, each a thread: what a program does on many machines, on one and without them.</summary>
internal sealed class InProcessWorld : ICollective
{
    private readonly Rendezvous _rendezvous;

    private InProcessWorld(Rendezvous meeting, int rank, ICollective? background) => (_rendezvous, Rank, Background) = (meeting, rank, background);

    public int Rank { get; }

    public int Size => _rendezvous.Size;

    public int Lanes => _rendezvous.Lanes;

    public ICollective? Background { get; }

    /// <summary>Runs <paramref name="work"/> on every rank, and returns when all have ended.</summary>
    /// <param name="size">P, the number of ranks.</param>
    /// <param name="work">What each of them does. When it throws on one, the others end at their next exchange, and the exception is thrown here.</param>
    /// <param name="lanes">L; P when null.</param>
    public static void Run(int size, Action<ICollective> work, int? lanes = null)
    {
        using var end = new CancellationTokenSource();
        using Rendezvous meeting = new(size, lanes ?? size, end), background = new(size, lanes ?? size, end);
        var worlds = Enumerable.Range(0, size).Select(rank => new InProcessWorld(meeting, rank, new InProcessWorld(background, rank, null)));
        var threads = worlds.Select(world => new Thread(() => meeting.Attend(() => work(world)))).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        end.Cancel();
        meeting.Failure?.Throw();
    }

    public void AllToAll(Tensor sent, Tensor received) => _rendezvous.Exchange(Rank, sent, tensors =>
    {
        using var scope = NewDisposeScope();
        foreach (var (tensor, place) in tensors.Zip(received.chunk(Size)))
            place.copy_(tensor.chunk(Size)[Rank]);
    });

    public void AllGather(Tensor part, Tensor all) => _rendezvous.Exchange(Rank, part, tensors =>
    {
        using var scope = NewDisposeScope();
        foreach (var (tensor, place) in tensors.Zip(all.chunk(Size)))
            place.copy_(tensor);
    });

    public void Broadcast(Tensor tensor, int from) => _rendezvous.Exchange(Rank, tensor, tensors =>
    {
        if (from != Rank)
            tensor.copy_(tensors[from]);
    });

    public bool ExchangesInPairs => true;

    public void Exchange(Tensor sent, Tensor received, int with) => _rendezvous.Exchange(Rank, sent, tensors => received.copy_(tensors[with]));

    /// <summary>Where the ranks wait for each other.</summary>
    private sealed class Rendezvous(int size, int lanes, CancellationTokenSource end) : IDisposable
    {
        private readonly Tensor[] _shown = new Tensor[size];
        private readonly Barrier _barrier = new(size);
        private ExceptionDispatchInfo? _failure;

        public int Size => size;

        public int Lanes => lanes;

        public ExceptionDispatchInfo? Failure => _failure;

        public void Attend(Action work)
        {
            try
            {
                work();
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(exception), null);
                end.Cancel();
            }
        }

        /// <summary>Shows a tensor to all while each reads.</summary>
        public void Exchange(int rank, Tensor shown, Action<Tensor[]> read)
        {
            _shown[rank] = shown;
            _barrier.SignalAndWait(end.Token);
            read(_shown);
            _barrier.SignalAndWait(end.Token);
        }

        public void Dispose() => _barrier.Dispose();
    }
}
