using static TorchSharp.torch.autograd;

namespace LowRankTraining;

/// <summary>The y = x Wᵀ + b that a linear layer has computed, with a backward pass in which the weight's gradient goes to a
/// <see cref="GradientSink"/>.</summary>
/// <remarks>∂x = δ W and ∂b = Σ δ go back through the graph, as the layer's own do.</remarks>
internal sealed class TappedProduct : AutogradFunction<TappedProduct>
{
    internal const string NoSecondDerivatives =
        "Gradients that are projected in the backward pass have no derivative (create_graph: true): train such a loss with GradientFlow.Whole.";

    private const string Tap = "tap";

    /// <param name="ctx">Keeps x and W, and finds out in the backward pass whether they have been changed in place.</param>
    /// <param name="vars">x (... × n); W, which ties the product to the graph where x is not in it; what is known of the layer; b or nothing.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var (input, weight, call) = ((Tensor)vars[0], (Tensor)vars[1], (TappedCall)vars[2]);
        ctx.save_for_backward([input, weight]);
        ctx.save_data(Tap, call with { Output = null });

        // Not a view as far as the graph is concerned: what follows may change it in place.
        return call.Output!.detach();
    }

    protected override string RefusalOfSecondDerivatives => NoSecondDerivatives;

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        var call = (TappedCall)ctx.get_data(Tap);
        var saved = ctx.get_saved_variables();
        var (input, weight) = (saved[0], saved[1]);
        var delta = output.reshape(-1, weight.size(0));

        var gradients = WithBias(ctx, delta, IsAsked(ctx, 0) ? delta.mm(weight).reshape(input.shape) : null, null, null);

        // Last, since it may change the weight.
        call.Sink.Receive(call.Weight, delta, input.reshape(-1, weight.size(1)));
        saved.ForEach(tensor => tensor.Dispose());
        return gradients;
    }
}

/// <summary>One pass through a layer, with its output while that is computed.</summary>
internal sealed record TappedCall(GradientSink Sink, Parameter Weight, Tensor? Output);
