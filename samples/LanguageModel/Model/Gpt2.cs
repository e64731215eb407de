using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>GPT-2, in plain TorchSharp and without dropout.</summary>
/// <remarks>
/// <para>LayerNorm before each part, learned positions, GELU in its tanh form, biases everywhere, and the embedding's table as the head. Modules are named as
/// in the published checkpoints: <c>transformer.h.0.attn.c_attn</c>. Matrices are out × in, as everywhere in TorchSharp; those checkpoints have them
/// in × out.</para>
/// <para>Source: Radford et al., Language Models are Unsupervised Multitask Learners, 2019.</para>
/// </remarks>
public sealed class Gpt2 : CausalLanguageModel
{
    private readonly Gpt2Decoder transformer;
    private readonly Gpt2Config config;

    /// <summary>A new model on the CPU in float32; the weights follow from <paramref name="seed"/> alone.</summary>
    public Gpt2(Gpt2Config config, long seed) : base(nameof(Gpt2))
    {
        this.config = config;
        manual_seed(seed);
        transformer = new Gpt2Decoder(config);
        RegisterComponents();
        Initialize();
    }

    /// <inheritdoc/>
    public override int Vocabulary => config.Vocabulary;

    /// <inheritdoc/>
    public override int? Positions => config.Positions;

    /// <summary>Scores of every next token, in float32.</summary>
    /// <param name="input">Tokens, (batch, position), int64; at most as many positions as the model has.</param>
    /// <returns>Logits, (batch, position, token).</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        transformer.CheckpointsActivations = CheckpointsActivations;
        return transformer.Scores(transformer.call(input)).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private void Initialize()
    {
        using var frozen = no_grad();
        foreach (var (name, parameter) in named_parameters())
        {
            if (parameter.dim() == 2)
                init.normal_(parameter, 0, config.InitialDeviation);
            else if (name.EndsWith("bias", StringComparison.Ordinal))
                init.zeros_(parameter);
        }
    }
}

/// <summary>Embeddings of tokens and positions, the layers, and a last norm.</summary>
internal sealed class Gpt2Decoder : Module<Tensor, Tensor>
{
    private readonly Embedding wte;
    private readonly Embedding wpe;
    private readonly ModuleList<Gpt2Layer> h;
    private readonly LayerNorm ln_f;

    public Gpt2Decoder(Gpt2Config config) : base(nameof(Gpt2Decoder))
    {
        wte = Embedding(config.Vocabulary, config.Hidden);
        wpe = Embedding(config.Positions, config.Hidden);
        h = new ModuleList<Gpt2Layer>([.. Enumerable.Range(0, config.Layers).Select(_ => new Gpt2Layer(config))]);
        ln_f = LayerNorm(config.Hidden, config.NormEpsilon);
        RegisterComponents();
    }

    public bool CheckpointsActivations { get; set; }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var seen = h[0].Seen;
        var stream = wte.call(input).add(wpe.call(arange(seen, seen + input.shape[1], ScalarType.Int64, input.device)));
        return ln_f.call(CheckpointedLayer.Run(h, stream, CheckpointsActivations)).MoveToOuterDisposeScope();
    }

    /// <summary>Scores of every token by its row in the embedding's table.</summary>
    public Tensor Scores(Tensor stream)
    {
        using var table = wte.weight!;
        return functional.linear(stream, table);
    }
}

/// <summary>One layer: attention, then feed-forward, each behind a norm and added to what came in.</summary>
internal sealed class Gpt2Layer : Module<Tensor, Tensor>
{
    private readonly LayerNorm ln_1;
    private readonly Gpt2Attention attn;
    private readonly LayerNorm ln_2;
    private readonly Gpt2FeedForward mlp;

    public Gpt2Layer(Gpt2Config config) : base(nameof(Gpt2Layer))
    {
        ln_1 = LayerNorm(config.Hidden, config.NormEpsilon);
        attn = new Gpt2Attention(config);
        ln_2 = LayerNorm(config.Hidden, config.NormEpsilon);
        mlp = new Gpt2FeedForward(config);
        RegisterComponents();
    }

    /// <value>Positions that it has kept.</value>
    public long Seen => attn.Cache?.Length ?? 0;

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var attended = input.add(attn.call(ln_1.call(input)));
        return attended.add(mlp.call(ln_2.call(attended))).MoveToOuterDisposeScope();
    }
}

/// <summary>Causal self-attention, with queries, keys and values in one matrix.</summary>
internal sealed class Gpt2Attention : Module<Tensor, Tensor>, IKeepsKeyValues
{
    private readonly Module<Tensor, Tensor> c_attn;
    private readonly Module<Tensor, Tensor> c_proj;
    private readonly long heads;

    public Gpt2Attention(Gpt2Config config) : base(nameof(Gpt2Attention))
    {
        heads = config.Heads;
        c_attn = Linear(config.Hidden, 3 * config.Hidden);
        c_proj = Linear(config.Hidden, config.Hidden);
        RegisterComponents();
    }

    public KeyValueCache? Cache { get; set; }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var seen = Cache?.Length ?? 0;
        var parts = c_attn.call(input).chunk(3, -1);
        var (key, value) = (Split(parts[1]), Split(parts[2]));
        if (Cache is not null)
            (key, value) = Cache.Add(key, value);
        var mixed = functional.scaled_dot_product_attention(Split(parts[0]), key, value, is_casual: seen == 0);
        return c_proj.call(mixed.transpose(1, 2).flatten(2)).MoveToOuterDisposeScope();
    }

    /// <summary>(batch, position, hidden) seen as (batch, head, position, feature).</summary>
    private Tensor Split(Tensor part) => part.reshape(part.shape[0], part.shape[1], heads, -1).transpose(1, 2);
}

/// <summary>proj(gelu(fc(x))).</summary>
internal sealed class Gpt2FeedForward : Module<Tensor, Tensor>
{
    private readonly Module<Tensor, Tensor> c_fc;
    private readonly Module<Tensor, Tensor> c_proj;

    public Gpt2FeedForward(Gpt2Config config) : base(nameof(Gpt2FeedForward))
    {
        c_fc = Linear(config.Hidden, config.Intermediate);
        c_proj = Linear(config.Intermediate, config.Hidden);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return c_proj.call(functional.gelu(c_fc.call(input), TorchSharp.Modules.GELU.Approximate.tanh)).MoveToOuterDisposeScope();
    }
}
