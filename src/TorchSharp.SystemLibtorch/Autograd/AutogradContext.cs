namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        /// <summary>What a custom function's forward leaves for its backward.</summary>
        public class AutogradContext : IDisposable
        {
            private readonly Dictionary<string, object> _data = [];
            private List<Tensor>? _toSave;
            private int _savedCount;
            private IntPtr _node;

            internal AutogradContext() { }

            public bool MaterializeGrads { get; private set; } = true;

            internal List<Tensor> Dirty { get; private set; } = [];
            internal List<Tensor> NonDifferentiable { get; private set; } = [];

            public void save_for_backward(List<Tensor> tensors) => _toSave = tensors;
            public void mark_dirty(List<Tensor> tensors) => Dirty = tensors;
            public void mark_non_differentiable(List<Tensor> tensors) => NonDifferentiable = tensors;
            public void set_materialize_grads(bool value) => MaterializeGrads = value;
            public void save_data(string key, object value) => _data[key] = value;
            public object get_data(string key) => _data[key];

            /// <summary>New objects at every call; the memory is libtorch's until the graph is freed.</summary>
            public unsafe List<Tensor> get_saved_variables()
            {
                if (_node == IntPtr.Zero) return [];
                var handles = new IntPtr[_savedCount];
                fixed (IntPtr* to = handles) Native.Check(Native.lt_node_saved(_node, to, handles.Length, out _));
                return handles.Select(handle => new Tensor(handle)).ToList();
            }

            /// <summary>Gives the node what was to be saved, and remembers the node without keeping it alive.</summary>
            internal unsafe void Bind(IntPtr node)
            {
                if (_toSave is not null)
                {
                    var handles = Handles(_toSave);
                    fixed (IntPtr* from = handles) Native.Check(Native.lt_node_save(node, from, handles.Length));
                    _savedCount = handles.Length;
                }
                ForgetForward();
                _node = Native.lt_node_weak(node);
            }

            internal void ForgetForward()
            {
                _toSave = null;
                Dirty = [];
                NonDifferentiable = [];
            }

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            protected virtual void Dispose(bool disposing)
            {
                var node = Interlocked.Exchange(ref _node, IntPtr.Zero);
                if (node != IntPtr.Zero) Native.lt_node_weak_drop(node);
            }
        }
    }
}
