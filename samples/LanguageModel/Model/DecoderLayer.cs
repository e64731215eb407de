using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>One layer: attention, then feed-forward, each behind a norm and added to what came in.</summary>
public sealed class DecoderLayer : Module<Tensor, Tensor>
{
    private readonly RmsNorm input_layernorm;
    private readonly Attention self_attn;
    private readonly RmsNorm post_attention_layernorm;
    private readonly FeedForward mlp;

    /// <summary>A layer of the sizes in <paramref name="config"/>.</summary>
    public DecoderLayer(LlamaConfig config, RotaryPositions rotary) : base(nameof(DecoderLayer))
    {
        input_layernorm = new RmsNorm(config.Hidden, config.NormEpsilon);
        self_attn = new Attention(config, rotary);
        post_attention_layernorm = new RmsNorm(config.Hidden, config.NormEpsilon);
        mlp = new FeedForward(config);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var attended = input.add(self_attn.call(input_layernorm.call(input)));
        return attended.add(mlp.call(post_attention_layernorm.call(attended))).MoveToOuterDisposeScope();
    }
}
