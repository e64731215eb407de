namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public void backward() => autograd.backward(this);

        public void backward(IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false, IList<Tensor>? inputs = null) =>
            autograd.backward(this, grad_tensors, retain_graph, create_graph, inputs);
    }

    public static partial class autograd
    {
        public static unsafe IList<Tensor> grad(IList<Tensor> outputs, IList<Tensor> inputs, IList<Tensor>? grad_outputs = null, bool retain_graph = false, bool create_graph = false, bool allow_unused = false)
        {
            var results = new IntPtr[inputs.Count];
            var (from, to, seeds) = (Handles(outputs), Handles(inputs), Handles(grad_outputs));
            fixed (IntPtr* f = from, t = to, s = seeds, r = results)
            {
                Native.Check(Native.lt_gradients(f, from.Length, t, to.Length, s, seeds.Length,
                    retain_graph || create_graph ? 1 : 0, create_graph ? 1 : 0, allow_unused ? 1 : 0, r));
            }
            KeepAlive(outputs, inputs, grad_outputs);
            return Array.ConvertAll(results, handle => new Tensor(handle));
        }

        public static unsafe void backward(IList<Tensor> tensors, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null)
        {
            var (from, seeds, to) = (Handles(tensors), Handles(grad_tensors), Handles(inputs));
            fixed (IntPtr* f = from, s = seeds, t = to)
            {
                Native.Check(Native.lt_backward(f, from.Length, s, seeds.Length, retain_graph ?? create_graph ? 1 : 0, create_graph ? 1 : 0, t, to.Length));
            }
            KeepAlive(tensors, grad_tensors, inputs);
        }

        public static void backward(Tensor tensor, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], grad_tensors, retain_graph, create_graph, inputs);

        public static void backward(Tensor tensor, Tensor grad_tensor, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], [grad_tensor], retain_graph, create_graph, inputs);

        internal static IntPtr[] Handles(IEnumerable<Tensor?>? tensors) =>
            tensors is null ? [] : tensors.Select(t => t is null || t.IsInvalid ? IntPtr.Zero : t.Handle).ToArray();

        // A handle must outlive the call that uses it.
        private static void KeepAlive(params object?[] owners) => GC.KeepAlive(owners);
    }
}
