using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>The managed half of a node in libtorch's graph. The native half holds it by a GC handle and frees that with itself.</summary>
internal sealed unsafe class FunctionNode
{
    private readonly torch.autograd.AutogradContext _context;
    private readonly bool[] _isTensor;
    private readonly string _name;
    private readonly Func<torch.autograd.AutogradContext, List<torch.Tensor>, List<torch.Tensor>> _backward;

    private FunctionNode(torch.autograd.AutogradContext context, bool[] isTensor, string name,
        Func<torch.autograd.AutogradContext, List<torch.Tensor>, List<torch.Tensor>> backward)
    {
        _context = context;
        _isTensor = isTensor;
        _name = name;
        _backward = backward;
    }

    internal static List<torch.Tensor> Attach(torch.autograd.AutogradContext context, object[] vars, List<torch.Tensor> inputs, List<torch.Tensor> outputs,
        string name, Func<torch.autograd.AutogradContext, List<torch.Tensor>, List<torch.Tensor>> backward)
    {
        var isTensor = Array.ConvertAll(vars, v => v is torch.Tensor { IsInvalid: false });
        var owner = GCHandle.Alloc(new FunctionNode(context, isTensor, name, backward));
        var (from, dirty, constant, to) = (torch.autograd.Handles(inputs), torch.autograd.Handles(context.Dirty),
            torch.autograd.Handles(context.NonDifferentiable), torch.autograd.Handles(outputs));
        var results = new IntPtr[to.Length];
        fixed (IntPtr* f = from, d = dirty, c = constant, t = to, r = results)
        {
            Native.Check(Native.lt_node(&Backward, &Release, GCHandle.ToIntPtr(owner), f, from.Length, out var node));
            try
            {
                Native.Check(Native.lt_node_outputs(node, context.MaterializeGrads ? 1 : 0, f, from.Length, d, dirty.Length, c, constant.Length, t, to.Length, r));
                context.Bind(node);
            }
            finally
            {
                Native.lt_node_drop(node);
            }
        }
        GC.KeepAlive(inputs);
        GC.KeepAlive(outputs);
        return results.Select(handle => new torch.Tensor(handle)).ToList();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static long Backward(IntPtr owner, IntPtr* gradients, long count, IntPtr* results, long capacity)
    {
#pragma warning disable CA1031 // Anything that left this method would end the process; it is rethrown on the managed side of backward().
        try
        {
            ((FunctionNode)GCHandle.FromIntPtr(owner).Target!).Run(gradients, count, results, capacity);
            return 0;
        }
        catch (Exception e)
        {
            return NativeErrors.Keep(e);
        }
#pragma warning restore CA1031
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Release(IntPtr owner)
    {
        var handle = GCHandle.FromIntPtr(owner);
        (handle.Target as FunctionNode)?._context.Dispose();
        handle.Free();
    }

    private void Run(IntPtr* gradients, long count, IntPtr* results, long capacity)
    {
        List<torch.Tensor> arrived = [];
        for (var i = 0; i < count; i++) arrived.Add(new torch.Tensor(gradients[i]));

        var returned = _backward(_context, arrived);
        if (returned.Count < _isTensor.Length || returned.Skip(_isTensor.Length).Any(Defined))
        {
            throw new InvalidOperationException(
                $"{_name}.backward returned {returned.Count} gradients for {_isTensor.Length} arguments of forward: return one for each, null where there is none.");
        }

        var slot = 0;
        for (var i = 0; i < _isTensor.Length; i++)
        {
            if (_isTensor[i])
            {
                if (slot < capacity) results[slot++] = Defined(returned[i]) ? Native.lt_alias(returned[i].Handle) : IntPtr.Zero;
            }
            else if (Defined(returned[i]))
            {
                throw new InvalidOperationException($"{_name}.backward returned a gradient for argument {i} of forward, which is not a tensor.");
            }
        }
    }

    private static bool Defined(torch.Tensor? tensor) => tensor is { IsInvalid: false };
}
