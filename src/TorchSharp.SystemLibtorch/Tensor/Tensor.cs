namespace TorchSharp;

public static partial class torch
{
    /// <summary>A handle on one of libtorch's tensors, owned by exactly one object and freed once.</summary>
    public partial class Tensor : IDisposable
    {
        private static long _total;
        private static long _peak;

        internal IntPtr handle;

        internal Tensor(IntPtr handle)
        {
            this.handle = handle;
            var count = Interlocked.Increment(ref _total);
            if (count > Volatile.Read(ref _peak)) Volatile.Write(ref _peak, count);
            OwningDisposeScope = DisposeScopeManager.ThreadSingleton.Register(this);
        }

        ~Tensor() => Dispose(false);

        internal DisposeScope? OwningDisposeScope { get; set; }

        public static long TotalCount => Interlocked.Read(ref _total);
        public static long PeakCount => Interlocked.Read(ref _peak);

        public bool IsInvalid => handle == IntPtr.Zero;

        public IntPtr Handle =>
            handle != IntPtr.Zero ? handle : throw new InvalidOperationException("This tensor has been disposed, or was never filled.");

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            var owned = Interlocked.Exchange(ref handle, IntPtr.Zero);
            if (owned == IntPtr.Zero) return;
            Interlocked.Decrement(ref _total);
            if (disposing)
            {
                DisposeScopeManager.ThreadSingleton.CountDisposal(this);
                OwningDisposeScope?.MarkAsDisposed(this);
            }
            Native.lt_free(owned);
        }

        /// <summary>Gives the handle away: the caller frees it, this object is empty.</summary>
        public IntPtr DecoupleFromNativeHandle()
        {
#pragma warning disable CA1816 // There is nothing left to finalize.
            GC.SuppressFinalize(this);
#pragma warning restore CA1816
            var owned = Handle;
            handle = IntPtr.Zero;
            Interlocked.Decrement(ref _total);
            DisposeScopeManager.ThreadSingleton.CountDisposal(this);
            OwningDisposeScope?.MarkAsDisposed(this);
            return owned;
        }

        public static Tensor UnsafeCreateTensor(IntPtr handle) => new(handle);

        public Tensor MoveToOuterDisposeScope()
        {
            OwningDisposeScope?.MoveToOuter([this]);
            return this;
        }

        public Tensor MoveToOtherDisposeScope(DisposeScope? other)
        {
            if (OwningDisposeScope is { } scope) scope.MoveToOther(other, [this]);
            else other?.Attach([this]);
            return this;
        }

        public Tensor MoveToOtherDisposeScope(Tensor other) => MoveToOtherDisposeScope(other.OwningDisposeScope);

        public Tensor DetachFromDisposeScope()
        {
            OwningDisposeScope?.Detach([this]);
            return this;
        }

        public string? name { get; set; }

        public Tensor alias() => new(Native.lt_alias(Handle));

        public bool Equals(Tensor target) => Op.Bool("equal", this, target);
        public override bool Equals(object? obj) => obj is Tensor other && Equals(other);
        public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
    }

    public static DisposeScope NewDisposeScope() => DisposeScopeManager.ThreadSingleton.NewDisposeScope();

    public static DisposeScope? CurrentDisposeScope => DisposeScopeManager.ThreadSingleton.CurrentDisposeScope;

    public static Tensor WrappedTensorDisposeScope(Func<Tensor> expr)
    {
        using var scope = NewDisposeScope();
        return expr().MoveToOuterDisposeScope();
    }
}
