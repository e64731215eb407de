using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>A LLaMA-style causal language model, in plain TorchSharp.</summary>
/// <remarks>
/// <para>RMSNorm before each part, rotary positions, SwiGLU; a head of its own, or the embedding's table
/// (<see cref="LlamaConfig.SharesEmbedding"/>). Modules are named as in the published checkpoints: <c>model.layers.0.self_attn.q_proj</c>,
/// <c>lm_head</c>.</para>
/// <para>Source: Touvron et al., LLaMA, arXiv 2302.13971.</para>
/// </remarks>
public sealed class Llama : CausalLanguageModel
{
    private readonly Decoder model;
    private readonly Module<Tensor, Tensor>? lm_head;

    /// <summary>A new model on the CPU, in float32 where that is the default dtype; the weights follow from <paramref name="seed"/> alone.</summary>
    /// <param name="config">The sizes.</param>
    /// <param name="seed">Of the weights.</param>
    /// <param name="made">Is given every decoder layer, with its initial weights, before the next one is made, as to keep them in fewer bits. The weights are
    /// then other ones than without it. Null to make the model as a whole.</param>
    public Llama(LlamaConfig config, long seed, Action<DecoderLayer>? made = null) : base(nameof(Llama))
    {
        Config = config;
        manual_seed(seed);
        model = new Decoder(config, made is null ? null : layer =>
        {
            Initialize(layer.parameters());
            made(layer);
        });
        if (!config.SharesEmbedding)
            lm_head = Linear(config.Hidden, config.Vocabulary, hasBias: false);
        RegisterComponents();
        Initialize(made is null ? parameters() : model.OwnParameters.Concat(lm_head?.parameters() ?? []));
    }

    /// <summary>A new model where and how it is to be trained. Making it and moving it are one: an optimizer made in between would hold the old
    /// parameters.</summary>
    public static Llama Create(LlamaConfig config, long seed, Device device, ScalarType type)
    {
        var model = new Llama(config, seed);
        model.to(device, type);
        return model;
    }

    /// <value>The sizes.</value>
    public LlamaConfig Config { get; }

    /// <inheritdoc/>
    public override int Vocabulary => Config.Vocabulary;

    /// <inheritdoc/>
    public override int? Positions => Config.Positions;

    /// <summary>Scores of every next token, in float32.</summary>
    /// <param name="input">Tokens, (batch, position), int64.</param>
    /// <returns>Logits, (batch, position, token).</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        model.CheckpointsActivations = CheckpointsActivations;
        var stream = model.call(input);
        return (lm_head?.call(stream) ?? model.Scores(stream)).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private void Initialize(IEnumerable<Parameter> weights)
    {
        using var frozen = no_grad();
        foreach (var matrix in weights.Where(parameter => parameter.dim() == 2))
            init.normal_(matrix, 0, Config.InitialDeviation);
    }
}
