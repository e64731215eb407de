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

    /// <value>Number of tokens known. Default 32000, the vocabulary of the papers' tokenizer.</value>
    public int Vocabulary { get; init; } = 32_000;

    /// <value>Added to the mean square under RMSNorm's root. Default 1e-6.</value>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <value>Base of the rotary wavelengths. Default 10000.</value>
    public double RotaryBase { get; init; } = 10_000;

    /// <value>Standard deviation of the initial weights. Default 0.02.</value>
    public double InitialDeviation { get; init; } = 0.02;

    /// <value>Features of one head; even, because rotary positions turn them in pairs.</value>
    public int HeadDimension => Hidden / Heads;

    /// <value>Parameters in the projections of attention and feed-forward: what low-rank methods work on.</value>
    public long ProjectionParameters => Layers * (4L * Hidden * Hidden + 3L * Hidden * Intermediate);

    /// <value>All parameters: projections, embedding, head, and the gains of 2 norms a layer and a last one.</value>
    public long Parameters => ProjectionParameters + 2L * Vocabulary * Hidden + (2L * Layers + 1) * Hidden;
}
