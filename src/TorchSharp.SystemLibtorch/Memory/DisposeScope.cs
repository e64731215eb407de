namespace TorchSharp;

/// <summary>Owns what is created while it is the thread's current scope, and disposes it at its end.</summary>
public sealed partial class DisposeScope : IDisposable
{
    private DisposeScopeManager? _manager;
    private HashSet<IDisposable> _owned = new(ReferenceEqualityComparer.Instance);

    internal DisposeScope(DisposeScopeManager manager)
    {
        _manager = manager;
        OuterScope = manager.CurrentDisposeScope;
    }

    internal DisposeScope? OuterScope { get; set; }

    public IReadOnlyList<IDisposable> DisposablesView
    {
        get
        {
            ThrowIfDisposed();
            return [.. _owned];
        }
    }

    public int DisposablesCount
    {
        get
        {
            ThrowIfDisposed();
            return _owned.Count;
        }
    }

    public bool Contains(IDisposable disposable) => _owned.Contains(disposable);

    internal void Include(IDisposable disposable) => _owned.Add(disposable);

    public void MoveToOther(DisposeScope? scope, IEnumerable<IDisposable> disposables)
    {
        ThrowIfDisposed();
        if (scope is null)
        {
            Detach(disposables);
            return;
        }
        foreach (var disposable in disposables)
            if (_owned.Remove(disposable)) Adopt(scope, disposable);
    }

    public void Detach(IEnumerable<IDisposable> disposables)
    {
        ThrowIfDisposed();
        foreach (var disposable in disposables)
        {
            if (!_owned.Remove(disposable) || disposable is not torch.Tensor tensor) continue;
            tensor.OwningDisposeScope = null;
            _manager!.StatisticsInstance.TensorStatistics.DetachedFromScopeCount++;
        }
    }

    public IReadOnlyList<IDisposable> Attach(IEnumerable<IDisposable> disposables)
    {
        ThrowIfDisposed();
        List<IDisposable> attached = [.. disposables];
        foreach (var disposable in attached)
            if (Adopt(this, disposable)) _manager!.StatisticsInstance.TensorStatistics.AttachedToScopeCount++;
        return attached;
    }

    public void DisposeEverythingBut(IEnumerable<IDisposable> inKeep)
    {
        ThrowIfDisposed();
        var before = _owned;
        _owned = new HashSet<IDisposable>(inKeep, ReferenceEqualityComparer.Instance);
        foreach (var disposable in before)
            if (!_owned.Contains(disposable)) disposable.Dispose();
    }

    public void MarkAsDisposed(IDisposable disposable)
    {
        ThrowIfDisposed();
        _owned.Remove(disposable);
        if (disposable is torch.Tensor tensor) tensor.OwningDisposeScope = null;
    }

    public void Dispose()
    {
        if (_manager is null) return;
        DisposeEverything();
        _manager.Remove(this);
        _manager = null;
    }

    /// <summary>Puts <paramref name="replacement"/> into the scope that holds <paramref name="original"/>, in its stead.</summary>
    internal static void ReplaceWith(torch.Tensor original, torch.Tensor replacement)
    {
        var scope = original.OwningDisposeScope;
        if (scope is null || !scope._owned.Remove(original)) return;
        original.OwningDisposeScope = null;
        Adopt(scope, replacement);
    }

    private static bool Adopt(DisposeScope scope, IDisposable disposable)
    {
        if (disposable is not torch.Tensor tensor)
            throw new InvalidOperationException("A DisposeScope holds tensors only; dispose other objects with `using`.");
        var before = tensor.OwningDisposeScope;
        if (before == scope) return false;
        before?._owned.Remove(tensor);
        scope._owned.Add(tensor);
        tensor.OwningDisposeScope = scope;
        return true;
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_manager is null, this);
}
