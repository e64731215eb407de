using System.Runtime.CompilerServices;

namespace LowRankTraining;

/// <summary>A layer whose forward hook leads the weight's gradient to a <see cref="GradientSink"/>.</summary>
/// <remarks>The hook counts only while gradients are recorded: a pass under <c>no_grad</c>, as activation checkpointing makes it first, is left as it is. A
/// frozen weight, and one that no optimizer has, is left as it is too.</remarks>
internal abstract class TappedLayer : IDisposable
{
    /// <summary>Why a gradient is held although the layer has been hooked.</summary>
    public const string PassesHooksBy = "the model runs the layer by forward(), which passes hooks by";

    private static readonly ConditionalWeakTable<nn.Module, TappedLayer> Tapped = [];

    private readonly nn.Module _layer;
    private readonly GradientSink _sink;
    private readonly Action _unhook;

    protected TappedLayer(nn.Module<Tensor, Tensor> layer, GradientSink sink)
    {
        (_layer, _sink) = (layer, sink);
        Func<nn.Module<Tensor, Tensor>, Tensor, Tensor, Tensor> hook = (_, input, output) => Lead(input, output);
        _unhook = layer.register_forward_hook(hook).remove;
    }

    /// <value>Whether the model has run the layer by its hook.</value>
    public bool HasRun { get; private set; }

    /// <value>Whether it has a gradient although its hook has never run: the model runs it by <c>forward</c>.</value>
    public bool IsPassedBy => !HasRun && !Weight.IsInvalid && Weight.HasGradient();

    protected abstract Parameter Weight { get; }

    /// <summary>Why the gradient of a module's weight cannot be taken as it arises, or null.</summary>
    public static string? ObjectionTo(nn.Module? module) => module switch
    {
        Linear => null,
        Conv2d convolution => TappedConvolution.ObjectionTo(convolution),
        _ => "it is not the weight of a linear layer, nor of a convolution in two dimensions",
    };

    /// <summary>The same for a weight in its model.</summary>
    public static string? ObjectionTo(nn.Module? module, bool isShared, IEnumerable<string> names) =>
        isShared ? $"several modules share it: {string.Join(", ", names)}"
        : ObjectionTo(module) is { } objection ? objection
        : ForwardHooks.AnyOf(module!) && !IsOn(module!) ? "the layer has forward hooks of its own"
        : null;

    /// <summary>Hooks a layer to which there is no objection.</summary>
    /// <exception cref="InvalidOperationException">Another session has hooked it. Nothing was changed.</exception>
    public static TappedLayer On(string name, nn.Module module, GradientSink sink)
    {
        RequireFree(name, module);
        TappedLayer tapped = module is Linear linear ? new TappedLinear(linear, sink) : new TappedConvolution((Conv2d)module, sink);
        Tapped.Add(module, tapped);
        return tapped;
    }

    /// <summary>Refuses a layer whose gradient another session takes: whoever is attached besides would never see it.</summary>
    /// <exception cref="InvalidOperationException">There is such a session.</exception>
    public static void RequireFree(string name, nn.Module module)
    {
        if (IsOn(module))
            throw new InvalidOperationException($"The gradient of '{name}' goes to another session, which was attached with a GradientFlow of its own. "
                + "Dispose that one, with its optimizer, before another one is attached. Nothing was changed.");
    }

    /// <summary>Whether a session has hooked a module.</summary>
    public static bool IsOn(nn.Module module) => Tapped.TryGetValue(module, out _);

    /// <summary>Takes the hook away.</summary>
    public void Dispose()
    {
        _unhook();
        Tapped.Remove(_layer);
    }

    /// <summary>The output once more, with a backward pass that leads the weight's gradient away.</summary>
    protected abstract Tensor Apply(Tensor input, Tensor output, GradientSink sink);

    private Tensor Lead(Tensor input, Tensor output)
    {
        if (!is_grad_enabled())
            return output;

        HasRun = true;
        if (!_sink.IsOpen || !Weight.requires_grad)
            return output;

        var tapped = Apply(input, output, _sink);

        // The layer's own part of the graph would hold the input a second time.
        output.Dispose();
        return tapped;
    }
}
