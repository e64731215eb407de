namespace LanguageModel.Model;

/// <summary>The sizes of a GPT-2.</summary>
/// <remarks>Names and shapes as in Radford et al., Language Models are Unsupervised Multitask Learners, 2019. The defaults are those of the smallest
/// one.</remarks>
public sealed record Gpt2Config
{
    /// <value>Width of the residual stream, in features; a multiple of <see cref="Heads"/>.</value>
    public required int Hidden { get; init; }

    /// <value>Number of layers.</value>
    public required int Layers { get; init; }

    /// <value>Number of attention heads.</value>
    public required int Heads { get; init; }

    /// <value>Width inside the feed-forward part, in features. Default: four times <see cref="Hidden"/>.</value>
    public int Intermediate { get => field > 0 ? field : 4 * Hidden; init; }

    /// <value>Longest sequence, in tokens: each position has an embedding of its own. Default 1024.</value>
    public int Positions { get; init; } = 1024;

    /// <value>Number of tokens known. Default 50257.</value>
    public int Vocabulary { get; init; } = 50_257;

    /// <value>Added to the variance under the norms' root. Default 1e-5.</value>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <value>Standard deviation of the initial weights. Default 0.02.</value>
    public double InitialDeviation { get; init; } = 0.02;

    /// <value>Numbers in all parameters: tables, and of each layer attention, feed-forward part and norms.</value>
    public long Parameters => (Vocabulary + (long)Positions + 2) * Hidden
        + Layers * (4L * Hidden * (Hidden + 1) + 2L * Hidden * Intermediate + Intermediate + Hidden + 4L * Hidden);
}
