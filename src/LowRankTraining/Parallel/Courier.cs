using System.Collections.Concurrent;

namespace LowRankTraining;

/// <summary>A thread that runs one errand after the other.</summary>
internal sealed class Courier : IDisposable
{
    /// <summary>How long errands that have been given are waited for in the end: another process may never answer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly BlockingCollection<Action> _errands = [];
    private readonly Thread _thread;

    public Courier()
    {
        _thread = new Thread(Work) { IsBackground = true, Name = $"{nameof(LowRankTraining)} {nameof(Courier)}" };
        _thread.Start();
    }

    /// <summary>Gives an errand, which must not throw, and does not wait for it.</summary>
    public void Give(Action errand) => _errands.Add(errand);

    /// <summary>Takes no more errands, and waits a little for those that have been given.</summary>
    public void Dispose()
    {
        _errands.CompleteAdding();
        _thread.Join(Patience);
    }

    private void Work()
    {
        foreach (var errand in _errands.GetConsumingEnumerable())
            errand();
    }
}
