using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>Layers in containers, of which one is run twice in a pass, with or without activations that are computed again; and one that the model grows
/// while it is trained.</summary>
/// <param name="checkpoints">Whether the layer that runs twice keeps its input alone for the backward pass.</param>
internal sealed class NestedModel : nn.Module<Tensor, Tensor>
{
#pragma warning disable CA2213 // Registered modules are disposed with this one.
    private readonly Sequential first = nn.Sequential(("in", nn.Linear(24, 40)), ("bend", nn.Tanh()));
    private readonly ModuleList<nn.Module<Tensor, Tensor>> second = nn.ModuleList<nn.Module<Tensor, Tensor>>(nn.Linear(40, 20));
    private readonly nn.Module<Tensor, Tensor> square = nn.Linear(20, 20);
    private readonly LayerNorm norm = nn.LayerNorm(20);
    private readonly Embedding embed = nn.Embedding(16, 20);
    private Linear? _grown;
#pragma warning restore CA2213
    private readonly bool _checkpoints;

    public NestedModel(bool checkpoints) : base(nameof(NestedModel))
    {
        _checkpoints = checkpoints;
        RegisterComponents();
    }

    /// <summary>Another layer, which changes nothing yet.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> Grow()
    {
        _grown = nn.Linear(20, 20);
        foreach (var parameter in _grown.parameters())
            nn.init.zeros_(parameter);
        _grown.to(embed.weight!.dtype);
        register_module("grown", _grown);
        return _grown.named_parameters().Select(pair => ($"grown.{pair.name}", pair.parameter));
    }

    public override Tensor forward(Tensor input)
    {
        var hidden = second[0].call(first.call(input)).tanh();
        for (var time = 0; time < 2; time++)
            hidden = (_checkpoints && is_grad_enabled() ? Rerun.Of(square, hidden) : square.call(hidden)).tanh();
        hidden = norm.call(hidden + embed.call(arange(8, ScalarType.Int64)));
        return _grown is null ? hidden : hidden + _grown.call(hidden);
    }

    /// <summary>A layer that is run once more in the backward pass.</summary>
    private sealed class Rerun : autograd.SingleTensorFunction<Rerun>
    {
        /// <summary>What the last backward pass has given to the graph, which has references of its own when the next one begins.</summary>
        [ThreadStatic]
        private static Tensor? last;

        public override string Name => nameof(Rerun);

        public static Tensor Of(nn.Module<Tensor, Tensor> layer, Tensor input)
        {
            using var anchor = zeros(0, requires_grad: true);
            return apply(input, anchor, layer);
        }

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            ctx.save_for_backward([(Tensor)vars[0]]);
            ctx.save_data("layer", vars[2]);
            using var guard = no_grad();
            return ((nn.Module<Tensor, Tensor>)vars[2]).call((Tensor)vars[0]);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var guard = enable_grad();
            var input = ctx.get_saved_variables()[0].detach().requires_grad_();
            ((nn.Module<Tensor, Tensor>)ctx.get_data("layer")).call(input).backward([grad_output]);
            last?.Dispose();
            last = input.grad!.DetachFromDisposeScope();
            return [last, null!, null!];
        }
    }
}
