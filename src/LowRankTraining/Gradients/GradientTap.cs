using static TorchSharp.torch.autograd;

namespace LowRankTraining;

/// <summary>Stands in the graph between a weight and the output of its layer, and leads the weight's gradient to a <see cref="GradientSink"/>.</summary>
/// <remarks>Its own output has the shape of the layer's, in the memory of one number, and the layer's product gives it δ for a gradient. A backward pass that
/// asks for other tensors alone, as <c>autograd.grad</c> does for an input, does not come here.</remarks>
internal sealed class GradientTap : AutogradFunction<GradientTap>
{
    internal const string NoSecondDerivatives =
        "Gradients that are projected in the backward pass have no derivative (create_graph: true): train such a loss with GradientFlow.Whole.";

    private const string Pass = "pass";

    /// <summary>The tap of a pass through a layer; the weight itself where no gradient will come.</summary>
    /// <param name="weight">W.</param>
    /// <param name="input">x.</param>
    /// <param name="shape">That of y.</param>
    /// <param name="pass">Where the gradient goes.</param>
    public static Tensor Of(Parameter weight, Tensor input, long[] shape, TappedPass pass)
    {
        if (!is_grad_enabled() || !weight.requires_grad)
            return weight.alias();

        pass.Sink.Expect();
        return apply(weight, pass, new Seen(input, shape));
    }

    /// <param name="ctx">Keeps x, and finds out in the backward pass whether it has been changed in place.</param>
    /// <param name="vars">W; the pass; x and the shape of y, in what is no argument of the graph: what asks for the gradient of x is not to come here.</param>
    protected override Tensor Output(AutogradContext ctx, object[] vars)
    {
        var (input, shape) = (Seen)vars[2];
        ctx.save_for_backward([input]);
        ctx.save_data(Pass, vars[1]);
        return empty([1], input.dtype, input.device).expand(shape);
    }

    protected override string RefusalOfSecondDerivatives => NoSecondDerivatives;

    protected override List<Tensor?> Gradients(AutogradContext ctx, Tensor output)
    {
        using var input = Saved(ctx)[0];
        ((TappedPass)ctx.get_data(Pass)).Send(output, input);
        return [null, null, null];
    }

    private sealed record Seen(Tensor Input, long[] Shape);
}

/// <summary>One pass through a linear layer whose weight's gradient goes to a sink.</summary>
internal record TappedPass(GradientSink Sink, Parameter Weight)
{
    /// <summary>Gives the sink G = δᵀ x.</summary>
    public virtual void Send(Tensor delta, Tensor input) =>
        Sink.Receive(Weight, delta.reshape(-1, delta.size(-1)), input.reshape(-1, input.size(-1)));
}
