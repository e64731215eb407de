using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>Causal self-attention: every position looks at itself and at those before it.</summary>
public sealed class Attention : Module<Tensor, Tensor>, IKeepsKeyValues
{
    // Declared as Module<Tensor, Tensor> rather than Linear, so that a method may put another module in their place.
    private readonly Module<Tensor, Tensor> q_proj;
    private readonly Module<Tensor, Tensor> k_proj;
    private readonly Module<Tensor, Tensor> v_proj;
    private readonly Module<Tensor, Tensor> o_proj;
    private readonly RotaryPositions rotary;
    private readonly long headDimension;
    private readonly long group;

    /// <summary>Attention of the sizes in <paramref name="config"/>.</summary>
    public Attention(LlamaConfig config, RotaryPositions rotary) : base(nameof(Attention))
    {
        (this.rotary, headDimension, group) = (rotary, config.HeadDimension, config.Heads / config.KeyValueHeads);
        var (queries, keys) = (config.Heads * headDimension, config.KeyValueHeads * headDimension);
        q_proj = Linear(config.Hidden, queries, config.BiasOnQueries);
        k_proj = Linear(config.Hidden, keys, config.BiasOnQueries);
        v_proj = Linear(config.Hidden, keys, config.BiasOnQueries);
        o_proj = Linear(queries, config.Hidden, config.BiasOnOutput);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public KeyValueCache? Cache { get; set; }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var seen = Cache?.Length ?? 0;
        var query = rotary.Turn(Split(q_proj.call(input)), seen).transpose(1, 2);
        var key = rotary.Turn(Split(k_proj.call(input)), seen).transpose(1, 2);
        var value = Split(v_proj.call(input)).transpose(1, 2);
        if (Cache is not null)
            (key, value) = Cache.Add(key, value);

        var mixed = functional.scaled_dot_product_attention(query, Repeat(key), Repeat(value), is_casual: seen == 0);
        return o_proj.call(mixed.transpose(1, 2).flatten(2)).MoveToOuterDisposeScope();
    }

    /// <summary>(batch, position, heads · features) seen as (batch, position, head, feature).</summary>
    private Tensor Split(Tensor projected) => projected.view(projected.shape[0], projected.shape[1], -1, headDimension);

    /// <summary>Each head of keys or values once for every head of its group.</summary>
    private Tensor Repeat(Tensor heads) => group == 1 ? heads : heads.repeat_interleave(group, 1);
}
