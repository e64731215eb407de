using static TorchSharp.torch.autograd;

namespace LowRankTraining;

/// <summary>The y = x Wᵀ + b that a linear layer has computed, with a backward pass in which the weight's gradient goes by a
/// <see cref="GradientTap"/>.</summary>
/// <remarks>∂x = δ W and ∂b = Σ δ go back through the graph, as the layer's own do.</remarks>
internal sealed class TappedProduct : AutogradFunction<TappedProduct>
{
    /// <param name="ctx">Keeps W, and finds out in the backward pass whether it has been changed in place.</param>
    /// <param name="vars">x (... × n); the tap; W; y; b or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        ctx.save_for_backward([(Tensor)vars[2]]);

        // Not a view as far as the graph is concerned: what follows may change it in place.
        return ((TappedOutput)vars[3]).Computed.detach();
    }

    protected override string RefusalOfSecondDerivatives => GradientTap.NoSecondDerivatives;

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        using var weight = Saved(ctx)[0];
        var delta = output.reshape(-1, weight.size(0));
        var input = IsAsked(ctx, 0) ? delta.mm(weight).reshape([.. output.shape[..^1], weight.size(1)]) : null;
        return WithBias(ctx, delta, input, output.alias(), null, null);
    }
}

/// <summary>What a layer has computed already, which is no argument of the graph.</summary>
internal sealed record TappedOutput(Tensor Computed);
