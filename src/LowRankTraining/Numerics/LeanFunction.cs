using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LowRankTraining.Numerics;

/// <summary>A function with a backward pass of its own, whose tensors give their memory back as soon as the graph has what it needs.</summary>
/// <typeparam name="T">The function itself.</typeparam>
internal abstract class LeanFunction<T> : SingleTensorFunction<T> where T : LeanFunction<T>, new()
{
    public sealed override string Name => typeof(T).Name;

    public sealed override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        GraphGradients.ReleaseLast();
        var gradients = GraphGradients.HandOver(Gradients(ctx, grad_output));
        grad_output.Dispose();
        return gradients;
    }

    /// <summary>The gradient of each argument of the forward pass, null where there is none.</summary>
    /// <param name="ctx">What the forward pass has kept.</param>
    /// <param name="output">∂Y.</param>
    protected abstract List<Tensor?> Gradients(AutogradContext ctx, Tensor output);
}
