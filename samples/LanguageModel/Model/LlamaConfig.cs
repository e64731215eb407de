namespace LanguageModel.Model;

/// <summary>The sizes of a LLaMA-style model.</summary>
/// <remarks>All names and shapes as in Touvron et al., LLaMA, arXiv 2302.13971; sizes of the small models as in the ReLoRA and GaLore papers.</remarks>
public sealed record LlamaConfig
{
    /// <value>What the configuration is asked for by, such as <c>60m</c>.</value>
    public required string Name { get; init; }

    /// <value>Width of the residual stream, in features; a multiple of <see cref="Heads"/>.</value>
    public required int Hidden { get; init; }

    /// <value>Width inside the feed-forward part, in features.</value>
    public required int Intermediate { get; init; }

    /// <value>Number of decoder layers.</value>
    public required int Layers { get; init; }

    /// <value>Number of attention heads.</value>
    public required int Heads { get; init; }

    /// <value>Number of heads of keys and values, each shared by a group of attention heads; divides <see cref="Heads"/>. Default: one for each head.</value>
    /// <remarks>Source: Ainslie et al., GQA, arXiv 2305.13245.</remarks>
    public int KeyValueHeads { get => field > 0 ? field : Heads; init; }

    /// <value>Features of one head; even, because rotary positions turn them in pairs. Default: the width shared out among the heads.</value>
    public int HeadDimension { get => field > 0 ? field : Hidden / Heads; init; }

    /// <value>Number of tokens known. Default 32000, the vocabulary of the papers' tokenizer.</value>
    public int Vocabulary { get; init; } = 32_000;

    /// <value>Added to the mean square under RMSNorm's root. Default 1e-6.</value>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <value>Base of the rotary wavelengths. Default 10000.</value>
    public double RotaryBase { get; init; } = 10_000;

    /// <value>Stretches the rotary wavelengths for texts longer than those first trained on; null for not.</value>
    public RotaryScaling? RotaryScaling { get; init; }

    /// <value>Longest sequence trained on, in tokens; null where nobody says.</value>
    public int? Positions { get; init; }

    /// <value>Whether queries, keys and values have biases. Default false.</value>
    public bool BiasOnQueries { get; init; }

    /// <value>Whether what attention puts out has a bias. Default false.</value>
    public bool BiasOnOutput { get; init; }

    /// <value>Whether the feed-forward part has biases. Default false.</value>
    public bool BiasOnFeedForward { get; init; }

    /// <value>Whether the embedding's table is the head too. Default false.</value>
    public bool SharesEmbedding { get; init; }

    /// <value>Standard deviation of the initial weights. Default 0.02.</value>
    public double InitialDeviation { get; init; } = 0.02;

    /// <value>Parameters in the matrices of attention and feed-forward: what low-rank methods work on.</value>
    public long ProjectionParameters => Layers * (2L * Hidden * HeadDimension * (Heads + KeyValueHeads) + 3L * Hidden * Intermediate);

    /// <value>Numbers in all parameters.</value>
    public long Parameters => Shapes.Sum(parameter => parameter.Shape.Aggregate(1L, (product, size) => product * size));

    /// <value>All parameters by their names, matrices as out × in: embedding, projections, the gains of 2 norms per layer and a last one, head, and biases
    /// where there are any. One after the other, as they are asked for.</value>
    public IEnumerable<(string Name, long[] Shape)> Shapes
    {
        get
        {
            yield return ("model.embed_tokens.weight", [Vocabulary, Hidden]);
            foreach (var shape in Enumerable.Range(0, Layers).SelectMany(ShapesOfLayer))
                yield return shape;
            yield return ("model.norm.weight", [Hidden]);
            if (!SharesEmbedding)
                yield return ("lm_head.weight", [Vocabulary, Hidden]);
        }
    }

    private IEnumerable<(string Name, long[] Shape)> ShapesOfLayer(int layer)
    {
        var name = $"model.layers.{layer}";
        long queries = (long)Heads * HeadDimension, keys = (long)KeyValueHeads * HeadDimension;
        return
        [
            ($"{name}.input_layernorm.weight", [Hidden]),
            .. LinearShapes.Of($"{name}.self_attn.q_proj", queries, Hidden, BiasOnQueries),
            .. LinearShapes.Of($"{name}.self_attn.k_proj", keys, Hidden, BiasOnQueries),
            .. LinearShapes.Of($"{name}.self_attn.v_proj", keys, Hidden, BiasOnQueries),
            .. LinearShapes.Of($"{name}.self_attn.o_proj", Hidden, queries, BiasOnOutput),
            ($"{name}.post_attention_layernorm.weight", [Hidden]),
            .. LinearShapes.Of($"{name}.mlp.gate_proj", Intermediate, Hidden, BiasOnFeedForward),
            .. LinearShapes.Of($"{name}.mlp.up_proj", Intermediate, Hidden, BiasOnFeedForward),
            .. LinearShapes.Of($"{name}.mlp.down_proj", Hidden, Intermediate, BiasOnFeedForward),
        ];
    }
}
