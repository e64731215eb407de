using static TorchSharp.torch.autograd;

namespace LowRankTraining.Numerics;

/// <summary>What TorchSharp keeps of the output of a custom function, so that the backward pass has zeros of its shape where no gradient comes.</summary>
/// <remarks>That is a tensor of the same size, never written, which lives as long as the graph or as the dispose scope around the forward pass: activations
/// once more for every such layer, or an end of the process where the scope has disposed it. One number, expanded, says the same.</remarks>
internal static class OutputShapes
{
    /// <summary>Puts single numbers in the place of these tensors. Where TorchSharp does not have them any more, there is nothing to do.</summary>
    /// <param name="ctx">Of a forward pass that has ended.</param>
    public static void KeepNoMemory(AutogradContext ctx)
    {
        if (TorchSharpField.Find<object>(ctx, typeof(AutogradContext), "_node") is not { } node
            || TorchSharpField.Find<List<Tensor?>>(node, node.GetType(), "_outputCache") is not { } outputs)
            return;

        for (var i = 0; i < outputs.Count; i++)
            if (outputs[i] is { } output)
            {
                using var number = empty([1], output.dtype, output.device);
                outputs[i] = number.expand(output.shape).DetachFromDisposeScope();
                output.Dispose();
            }
    }
}
