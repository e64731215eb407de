using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>SwiGLU: down(silu(gate(x)) · up(x)).</summary>
/// <remarks>Source: Shazeer, GLU variants improve transformer, arXiv 2002.05202.</remarks>
public sealed class FeedForward : Module<Tensor, Tensor>
{
    private readonly Module<Tensor, Tensor> gate_proj;
    private readonly Module<Tensor, Tensor> up_proj;
    private readonly Module<Tensor, Tensor> down_proj;

    /// <summary>A feed-forward part of the sizes in <paramref name="config"/>.</summary>
    public FeedForward(LlamaConfig config) : base(nameof(FeedForward))
    {
        gate_proj = Linear(config.Hidden, config.Intermediate, config.BiasOnFeedForward);
        up_proj = Linear(config.Hidden, config.Intermediate, config.BiasOnFeedForward);
        down_proj = Linear(config.Intermediate, config.Hidden, config.BiasOnFeedForward);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var gated = functional.silu(gate_proj.call(input)) * up_proj.call(input);
        return down_proj.call(gated).MoveToOuterDisposeScope();
    }
}
