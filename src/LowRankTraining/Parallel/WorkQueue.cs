using System.Collections.Concurrent;

namespace LowRankTraining;

/// <summary>A thread that runs actions one after the other.</summary>
internal sealed class WorkQueue : IDisposable
{
    /// <summary>How long queued actions are waited for in the end: another process may never answer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly BlockingCollection<Action> _actions = [];
    private readonly Thread _thread;

    public WorkQueue()
    {
        _thread = new Thread(Work) { IsBackground = true, Name = $"{nameof(LowRankTraining)} {nameof(WorkQueue)}" };
        _thread.Start();
    }

    /// <summary>Adds an action, which must not throw, and does not wait for it.</summary>
    public void Enqueue(Action action) => _actions.Add(action);

    /// <summary>Takes no more actions, and waits a little for those that are queued.</summary>
    public void Dispose()
    {
        _actions.CompleteAdding();
        _thread.Join(Patience);
    }

    private void Work()
    {
        foreach (var action in _actions.GetConsumingEnumerable())
            action();
    }
}
