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

    /// <value>All parameters: projections, embedding, head, the gains of 2 norms per layer and a last one, and biases where there are any.</value>
    public long Parameters => ProjectionParameters + (SharesEmbedding ? 1L : 2L) * Vocabulary * Hidden + (2L * Layers + 1) * Hidden + Layers * Biases;

    private long Biases => (BiasOnQueries ? HeadDimension * (Heads + 2L * KeyValueHeads) : 0) + (BiasOnOutput ? Hidden : 0)
        + (BiasOnFeedForward ? 2L * Intermediate + Hidden : 0);
}
