using System.Runtime.CompilerServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>A linear layer whose forward hook leads the weight's gradient to a <see cref="GradientSink"/>.</summary>
/// <remarks>The hook counts only while gradients are recorded: a pass under <c>no_grad</c>, as activation checkpointing makes it first, is left as it is. A
/// frozen weight, and one that no optimizer has, is left as it is too.</remarks>
internal sealed class TappedLinear : IDisposable
{
    private static readonly ConditionalWeakTable<Linear, TappedLinear> Tapped = [];

    private readonly Linear _layer;
    private readonly GradientSink _sink;
    private readonly Action _unhook;

    private TappedLinear(Linear layer, GradientSink sink)
    {
        (_layer, _sink) = (layer, sink);
        Func<nn.Module<Tensor, Tensor>, Tensor, Tensor, Tensor> hook = (_, input, output) => Lead(input, output);
        _unhook = layer.register_forward_hook(hook).remove;
    }

    /// <value>Whether the model has run the layer by its hook.</value>
    public bool HasRun { get; private set; }

    /// <value>Whether it has a gradient although its hook has never run: the model runs it by <c>forward</c>.</value>
    public bool IsPassedBy
    {
        get
        {
            if (HasRun || _layer.weight.IsInvalid)
                return false;
            using var gradient = _layer.weight.grad;
            return gradient is not null;
        }
    }

    /// <summary>Hooks a layer.</summary>
    /// <param name="name">The weight's name.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="sink">Takes its gradient.</param>
    /// <exception cref="InvalidOperationException">Another session has hooked it. Nothing was changed.</exception>
    public static TappedLinear On(string name, Linear layer, GradientSink sink)
    {
        if (Tapped.TryGetValue(layer, out _))
            throw new InvalidOperationException($"The gradient of '{name}' goes to another session, which was attached with a GradientFlow of its own. "
                + "Dispose that one, with its optimizer, before another one is attached. Nothing was changed.");

        var tapped = new TappedLinear(layer, sink);
        Tapped.Add(layer, tapped);
        return tapped;
    }

    /// <summary>Whether a session has hooked a module.</summary>
    public static bool IsOn(nn.Module module) => module is Linear layer && Tapped.TryGetValue(layer, out _);

    /// <summary>Takes the hook away.</summary>
    public void Dispose()
    {
        _unhook();
        Tapped.Remove(_layer);
    }

    private Tensor Lead(Tensor input, Tensor output)
    {
        if (!is_grad_enabled())
            return output;

        HasRun = true;
        if (!_sink.IsOpen || !_layer.weight.requires_grad)
            return output;

        _sink.Expect();
        var (weight, bias) = (_layer.weight, _layer.bias);
        var call = new TappedCall(_sink, weight, bias, input.requires_grad, output);
        var tapped = bias is null ? TappedProduct.apply(input, weight, call) : TappedProduct.apply(input, weight, call, bias);

        // The layer's own part of the graph would hold the input a second time.
        output.Dispose();
        return tapped;
    }
}
